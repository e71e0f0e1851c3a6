export * from './flash-timing.ts';
export * from './nor-flash.ts';
export * from './tears.ts';
