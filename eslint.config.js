import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  // The types of globals belong to users' programs: types.test.ts checks them in some.
  globalIgnores(['dist', 'coverage', 'examples', 'types']),
  tseslint.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { projectService: true } } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  {
    files: ['device/**/*.ts'],
    rules: {
      'max-lines-per-function': ['error', { max: 70, skipComments: true }],
      'no-var': 'off',
      'prefer-const': 'error',
      // Espruino has neither labels nor hoisting; what it lacks is tested on the bundle.
      'no-restricted-syntax': ['error', 'LabeledStatement'],
    },
  },
);
