import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  // The types of globals belong to users' programs: types.test.ts checks them in some.
  globalIgnores(['dist', 'coverage', 'examples', 'types']),
  tseslint.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { projectService: true } } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  { rules: { 'max-lines-per-function': ['error', { max: 70, skipComments: true }] } },
  {
    // They run in a browser as they are, and know nothing of what uses them.
    files: ['formats/**/*.ts', 'link/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', 'Buffer', 'process', 'require', 'global'],
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^node:|^commander$|/(cli|host|bench|host-tests)/' }] },
      ],
    },
  },
  {
    // What lies below `link`.
    files: ['formats/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^node:|^commander$|/(cli|host|link|bench|host-tests)/' }] },
      ],
    },
  },
  {
    files: ['device/**/*.ts'],
    rules: {
      'no-var': 'off',
      'prefer-const': 'error',
      // Espruino has neither labels nor hoisting; what it lacks is tested on the bundle.
      'no-restricted-syntax': ['error', 'LabeledStatement'],
    },
  },
);
