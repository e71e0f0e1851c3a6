import { register } from 'node:module';

register('./blank-types.js', import.meta.url);
