"""A made-up MNIST of the size of the tiny checkpoint's images."""

import pytest

from tests.support.toys import small_mnist


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """8 x 8 pixels: 5,150 to train on, 5,000 of them held out; 100 to test with."""
    root = tmp_path_factory.mktemp("small")
    small_mnist(root, 5_150, 100, seed=0)
    return root
