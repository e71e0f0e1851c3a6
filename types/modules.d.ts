/**
 * `require("ota")` and `require("ota-http")` in device scripts: for TypeScript, and for the editor's help in JavaScript.
 *
 * Use it beside other types of Espruino. Without such, take `espruino.d.ts`, which has this in it.
 */

/// <reference lib="es2015.promise" />

declare module 'ota' {
  export * from 'esp-part-ota';
}

declare module 'ota-http' {
  export * from 'esp-part-ota/ota-http';
}

// As @types/node declares it, so that both can be in one program.
declare namespace NodeJS {
  interface Require {
    /** Updates partitions so that power may fail at any moment. */
    (name: 'ota'): typeof import('esp-part-ota');
    /** Updates partitions over the air. */
    (name: 'ota-http'): typeof import('esp-part-ota/ota-http');
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as other types of modules have it
    (name: string): any;
  }
}
declare var require: NodeJS.Require;
