"""The engine: one thread computes, in order, and OpenMP keeps one team."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ddpm_core import InvalidInput, Request, Run
from lab.process import engine as module
from lab.process.engine import Account, Engine, shared_engine


class BusyEngine:
    """An engine that is kept busy until all submitted work has arrived."""

    def __init__(self):
        self.engine, self.gate, self.futures = Engine(1), threading.Event(), {}
        self.pool, started = ThreadPoolExecutor(16), threading.Event()
        self.pool.submit(self.engine.do, lambda: started.set() or self.gate.wait())
        started.wait()

    def submit(self, name, call, *args, **options):
        """Submit work from a thread of its own."""
        self.futures[name] = self.pool.submit(call, *args, **options)
        while self.engine._arrivals.qsize() < len(self.futures):
            time.sleep(0.001)

    def release(self) -> dict:
        """What each piece of work returned or raised."""
        self.gate.set()
        return {name: work.exception() or work.result() for name, work in self.futures.items()}


@pytest.mark.parametrize(
    ("spent", "order"), [((0.0,) * 5, [0, 1, 2, 3, 4]), ((60.0, 0.5, 0.0), [2, 1, 0])]
)
def test_whoever_has_had_least_is_next_and_among_equals_who_came_first(spent, order):
    busy, done, threads = BusyEngine(), [], set()
    for i, seconds in enumerate(spent):

        def work(i=i):
            done.append(i)
            threads.add(threading.get_ident())

        busy.submit(i, busy.engine.do, work, account=Account(seconds))
    busy.release()
    assert done == order and len(threads) == 1 and threading.get_ident() not in threads


def test_what_has_waited_long_is_overtaken_no_more(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    busy, order = BusyEngine(), []
    busy.submit("film", busy.engine.do, order.append, "film", account=Account(60.0))
    time.sleep(0.3)
    busy.submit("preview", busy.engine.do, order.append, "preview", account=Account(0.0))
    busy.release()
    assert order == ["film", "preview"]


class Net(torch.nn.Module):
    """x times t, plus the label; counts what it is shown."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x, t, labels=None):
        self.sizes.append(len(x))
        shift = 0 if labels is None else labels.view(-1, 1, 1, 1)
        return x * t.view(-1, 1, 1, 1) + shift


def take(engine, steps, account=None):
    """The next of an iterator, taken on the engine; None at its end."""
    taken = []
    engine.advance(map(taken.append, steps), lambda: True, account)
    return taken[0] if taken else None


def walk(engine, net, x, times, labels=None):
    """A sampler as the engine sees it: an evaluation at each time."""
    for t in times:
        x = engine.evaluate(net, x, torch.full((len(x),), t), labels)
        yield x


def pictures(seed, n=1, size=4):
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


def test_steps_of_one_network_share_a_batch_and_get_what_is_theirs():
    busy, net, other = BusyEngine(), Net(), Net()
    engine = busy.engine
    for i in range(4):
        busy.submit(i, take, engine, walk(engine, net, pictures(i), [i + 2]))
    busy.submit("labelled", take, engine, walk(engine, net, pictures(4), [3], torch.tensor([7])))
    busy.submit("larger", take, engine, walk(engine, net, pictures(5, size=5), [3]))
    busy.submit("other", take, engine, walk(engine, other, pictures(6), [3]))
    results = busy.release()
    assert sorted(net.sizes) == [1, 1, 4] and other.sizes == [1]
    for i in range(4):
        assert torch.equal(results[i], pictures(i) * (i + 2))
    assert torch.equal(results["labelled"], pictures(4) * 3 + 7)
    assert torch.equal(results["larger"], pictures(5, size=5) * 3)
    assert torch.equal(results["other"], pictures(6) * 3)


@pytest.mark.parametrize("differentiated", [False, True])
def test_what_takes_several_steps_at_once_is_overtaken_between_them(monkeypatch, differentiated):
    """Work that is differentiated, and so shares no batch, is overtaken as well."""
    monkeypatch.setattr(module, "PATIENCE", 600.0)
    busy, film, preview, order = BusyEngine(), Net(), Net(), []
    engine = busy.engine
    film.register_forward_hook(lambda *_: order.append("film"))
    preview.register_forward_hook(lambda *_: order.append("preview"))

    def gradients():
        for _ in range(4):
            x = pictures(0).requires_grad_(True)
            engine.evaluate(film, x, torch.full((1,), 3)).sum().backward()
            yield x.grad

    def never() -> bool:
        return False

    long = gradients() if differentiated else walk(engine, film, pictures(0), [2] * 4)
    short = walk(engine, preview, pictures(1), [2] * 3)
    busy.submit("film", engine.advance, long, never, account=Account(600.0))
    busy.submit("preview", engine.advance, short, never, account=Account(0.0))
    assert busy.release() == {"film": False, "preview": False}
    assert order == ["preview"] * 3 + ["film"] * 4


def test_what_has_a_head_start_overtakes_what_waits_and_shares_no_batch(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 600.0)
    busy, net, order = BusyEngine(), Net(), []
    net.register_forward_pre_hook(lambda _, inputs: order.append(inputs[1][0].item()))
    for seed in range(3):
        busy.submit(seed, take, busy.engine, walk(busy.engine, net, pictures(seed), [1]))
    preview = walk(busy.engine, net, pictures(3), [2, 2])
    account = Account(head_start=60.0)
    busy.submit("preview", busy.engine.advance, preview, lambda: False, account=account)
    busy.release()
    assert order == [2, 2, 1] and net.sizes == [1, 1, 3]


def test_a_shared_batch_has_no_more_images_than_its_network_may_have():
    busy, net = BusyEngine(), Net()

    def step(seed, n):
        yield busy.engine.evaluate(net, pictures(seed, n), torch.full((n,), 2), most=3)

    for seed, n in enumerate((2, 2, 1, 1)):
        busy.submit(seed, take, busy.engine, step(seed, n))
    results = busy.release()
    assert net.sizes == [3, 3]
    assert all(torch.equal(results[i], 2 * pictures(i, n)) for i, n in enumerate((2, 2, 1, 1)))


@pytest.mark.parametrize("labels", [None, torch.tensor([4, 5, 6, 7, 8])])
@pytest.mark.parametrize("grad", [False, True])
def test_more_images_than_a_network_may_have_are_evaluated_in_parts(labels, grad):
    busy, large, small, account = BusyEngine(), Net(), Net(), Account(-5.0)
    engine, order, x = busy.engine, [], pictures(0, 5).requires_grad_(grad)

    def costly(*_):
        order.append("large")
        account.spent = module.PATIENCE  # so that it is the other's turn

    large.register_forward_hook(costly)
    small.register_forward_hook(lambda *_: order.append("small"))

    def step():
        yield engine.evaluate(large, x, torch.full((5,), 3), labels, most=2)

    busy.submit("large", take, engine, step(), account=account)
    busy.submit("small", take, engine, walk(engine, small, pictures(1), [2]))
    result = busy.release()["large"]
    assert large.sizes == [2, 2, 1] and order == ["large", "small", "large", "large"]
    assert torch.equal(result, Net()(x, torch.full((5,), 3), labels))


@pytest.mark.parametrize("changes", [{}, {"guidance": "cfg"}, {"guidance": "classifier-noisy"}])
def test_runs_of_several_visitors_are_what_each_would_be_alone(
    model, classifiers, monkeypatch, changes
):
    requests = [Request(n=1, steps=s, seed=s, dtype="float32", **changes) for s in (3, 4, 5)]
    alone = [[step.x for step in Run(model, r).steps()][-1] for r in requests]
    busy, shared, evaluate = BusyEngine(), [], module._as_one_batch
    monkeypatch.setattr(model, "evaluate", busy.engine.evaluate)
    monkeypatch.setattr(module, "_as_one_batch", lambda x: shared.append(len(x)) or evaluate(x))

    def run_to_end(steps):
        while (step := take(busy.engine, steps)) is not None:
            last = step.x
        return last

    for i, request in enumerate(requests):
        busy.submit(i, run_to_end, Run(model, request).steps())
    results = busy.release()
    assert max(shared) > 1
    for i, x in enumerate(alone):
        torch.testing.assert_close(results[i], x, atol=1e-4, rtol=1e-4)
    # With the engine for itself it is the same to the last bit.
    steps = Run(model, requests[0]).steps()
    for _ in range(requests[0].steps):
        last = take(busy.engine, steps)
    assert torch.equal(last.x, alone[0])
    assert take(busy.engine, steps) is None


def test_a_failure_reaches_those_it_concerns_and_the_engine_goes_on():
    class Broken(Net):
        def forward(self, x, t, labels=None):
            if (t > 2).any():
                raise InvalidInput("broken")
            return super().forward(x, t)

    busy, net, broken = BusyEngine(), Net(), Broken()
    engine = busy.engine

    def failing():
        engine.evaluate(net, pictures(0), torch.ones(1))
        raise ZeroDivisionError
        yield

    busy.submit("mine", take, engine, failing())
    busy.submit("good", take, engine, walk(engine, net, pictures(1), [2]))
    for t in range(1, 4):
        busy.submit(t, take, engine, walk(engine, broken, pictures(t), [t]))
    results = busy.release()
    assert isinstance(results["mine"], ZeroDivisionError)
    assert torch.equal(results["good"], pictures(1) * 2)
    assert str(results[3]) == "broken"  # and not those who shared its batch
    assert all(torch.equal(results[t], pictures(t) * t) for t in (1, 2))
    assert engine.do(lambda: 1) == 1


def test_autograd_is_on_or_off_for_each_by_itself():
    busy, net = BusyEngine(), Net()
    engine = busy.engine

    @torch.no_grad()
    def quiet():
        for _ in range(2):
            engine.evaluate(net, pictures(0), torch.ones(1))
            yield torch.is_grad_enabled()

    def loud():
        for _ in range(2):
            engine.evaluate(net, pictures(1), torch.ones(1))
            yield torch.is_grad_enabled()

    steps = {"quiet": quiet(), "loud": loud()}
    for name, job in steps.items():
        busy.submit(name, take, engine, job)
    assert busy.release() == {"quiet": False, "loud": True}
    assert [take(engine, job) for job in steps.values()] == [False, True]
    assert engine.do(torch.is_grad_enabled)


def test_no_other_thread_of_the_process_has_a_team():
    """Otherwise both teams sleep after each operation for each other's sake."""
    engine, counts = Engine(2), []

    def work():
        counts.extend([torch.get_num_threads(), engine.do(torch.get_num_threads)])

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert counts == [1, 2] * 2


def test_work_within_work_is_done_at_once_and_there_is_one_engine_for_all():
    engine = Engine(1)
    assert engine.do(lambda: engine.do(lambda: 7)) == 7
    assert shared_engine() is shared_engine()
