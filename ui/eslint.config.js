import globals from "globals";

export default [
  {
    languageOptions: { globals: globals.browser },
    rules: {
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-redeclare": "error",
      "no-shadow-restricted-names": "error",
      "prefer-const": "error",
      eqeqeq: "error",
    },
  },
  { files: ["**/*.test.js"], languageOptions: { globals: globals.node } },
  {
    files: ["browser/*.js"],
    ignores: ["**/*.test.js"],
    languageOptions: { sourceType: "script" },
  },
];
