export * from './api.ts';
export type { Bytes, Runtime } from './runtime.ts';
