// Where TypeScript looks for its ES5 helpers. Empty on purpose: needing one fails the build.
