/**
 * Lives that broke the promise once, as the simulator has shrunk them: each has shown a fault of the module.
 */
import type { Life } from './life.ts';
import { row } from './scenarios.ts';

export const FOUND: [name: string, life: Life][] = [
  [
    'a worn slot of a backup in a partition does not keep the old content from coming back',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [{ sequence: 3, state: 4294967295 }, undefined],
        seed: 710438346,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('ota_0', 0, 16, 14, 13),
          row('www', 64, 1, 34, 8),
          row('storage', 64, 1, 44, 4),
        ],
      },
      steps: [
        { do: 'wear', sector: 46 },
        { do: 'boot', mood: 'after' },
        {
          do: 'begin',
          options: { partition: 'nvs', backup: 'storage', overwriteLive: true },
          image: { seed: 0, size: 4096 },
        },
        { do: 'backup' },
        { do: 'boot', mood: 'after' },
        { do: 'recover' },
      ],
    },
  ],
  [
    'zeros over a journal that was forgotten, read wrong once, do not let it speak',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [{ sequence: 3, state: 4 }, undefined],
        seed: 566499087,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('ota_0', 0, 16, 14, 6),
          row('www', 1, 131, 20, 5),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        { do: 'begin', options: { partition: 'www' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'end' },
        {
          do: 'table',
          rows: [row('nvs', 1, 2, 9, 3), row('otadata', 1, 0, 12, 2), row('ota_0', 0, 16, 14, 6)],
        },
        { do: 'forget' },
        {
          do: 'boot',
          mood: 'after',
          troubles: [
            { kind: 'program', at: 1, times: 2 },
            { kind: 'read', at: 1, times: 1, bit: 917 },
          ],
        },
        { do: 'recover' },
      ],
    },
  ],
  [
    'a torn head is not taken as erased when programs and erases do nothing',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 3, state: 4 },
          { sequence: 4, state: 4294967295 },
        ],
        seed: 516565597,
        rows: [
          row('nvs', 1, 2, 9, 4),
          row('otadata', 1, 0, 13, 2),
          row('phy_init', 1, 1, 15, 1),
          row('certs', 1, 131, 61, 6),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        { do: 'begin', options: { partition: 'certs' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'end' },
        { do: 'begin', options: { partition: 'phy_init' }, image: { seed: 476, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'end' },
        { do: 'begin', options: { partition: 'phy_init' }, image: { seed: 0, size: 4096 } },
        { do: 'backup', size: 2282, cut: { at: 3, tear: 'everyBit' } },
        {
          do: 'boot',
          mood: 'after',
          troubles: [
            { kind: 'erase', at: 1, times: 2 },
            { kind: 'program', at: 1, times: 16 },
          ],
        },
        { do: 'begin', options: { partition: 'phy_init' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'boot', mood: { seed: 316589168, whole: 256 } },
        { do: 'recover' },
      ],
    },
  ],
  [
    'a trial that is over and was half undone is not confirmed',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 2, state: 4294967295 },
          { sequence: 3, state: 4 },
        ],
        seed: 419625260,
        rows: [
          row('nvs', 1, 2, 9, 4),
          row('otadata', 1, 0, 13, 2),
          row('ota_0', 0, 16, 15, 7),
          row('ota_1', 0, 17, 22, 7),
          row('www', 1, 131, 32, 5),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        {
          do: 'begin',
          options: { partition: 'www', trial: 1 },
          image: { seed: 0, size: 4096 },
          copy: 1,
        },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string', copy: 1 },
        { do: 'end', copy: 1 },
        { do: 'recover' },
        {
          do: 'boot',
          mood: 'after',
          troubles: [
            { kind: 'program', at: 1, times: 20 },
            { kind: 'read', at: 88, times: 4, bit: 17179 },
          ],
        },
        { do: 'recover' },
        { do: 'confirm' },
      ],
    },
  ],
  [
    'begin puts back what was interrupted, or throws when the backup reads wrong',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [undefined, { sequence: 4, state: 4294967295 }],
        seed: 971666742,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('factory', 0, 0, 14, 9),
          row('ota_0', 0, 16, 28, 9),
          row('www', 1, 129, 37, 3),
          row('storage', 1, 131, 40, 8),
          row('cfg', 1, 131, 48, 6),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        { do: 'begin', options: { partition: 'cfg' }, image: { seed: 180, size: 24576 } },
        { do: 'write', bytes: 24576, chunk: 4096, as: 'string' },
        { do: 'restore', cut: { at: 2, tear: 'nothing' } },
        {
          do: 'boot',
          mood: 'after',
          troubles: [
            { kind: 'read', at: 37, times: 1, bit: 528 },
            { kind: 'read', at: 34, times: 2, bit: 1167 },
          ],
        },
        { do: 'begin', options: { partition: 'cfg' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'abort' },
      ],
    },
  ],
  [
    'restore throws when the backup reads wrong twice',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [{ sequence: 3, state: 4294967295 }, undefined],
        seed: 141159086,
        rows: [row('storage', 1, 6, 54, 1)],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        { do: 'begin', options: { partition: 'storage' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'boot', mood: 'after', troubles: [{ kind: 'read', at: 9, times: 2, bit: 31215 }] },
        { do: 'restore' },
      ],
    },
  ],
  [
    'a copy in the backup that was read wrong four times is made again',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 3, state: 3 },
          { sequence: 4, state: 4294967295 },
        ],
        seed: 845079318,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('factory', 0, 0, 14, 6),
          row('www', 1, 130, 20, 4, 2),
          row('storage', 1, 131, 24, 6),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after', troubles: [{ kind: 'read', at: 25, times: 4, bit: 434 }] },
        { do: 'begin', options: { partition: 'storage' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'end' },
        { do: 'restore' },
      ],
    },
  ],
  [
    'a slot of the backup that a cut has torn before anything was saved is erased by recover',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 5, state: 4294967295 },
          { sequence: 6, state: 4294967295 },
        ],
        seed: 15571049,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('phy_init', 1, 1, 14, 1),
          row('www', 1, 131, 32, 7),
          row('storage', 1, 129, 41, 2),
          row('cfg', 64, 1, 43, 5),
          row('model', 1, 129, 48, 4),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        {
          do: 'begin',
          options: { partition: 'model', backup: 'www' },
          image: { seed: 0, size: 4096 },
        },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string', cut: { at: 5, tear: 'everyBit' } },
        { do: 'boot', mood: 'after' },
        { do: 'recover' },
        {
          do: 'begin',
          options: { partition: 'www', backup: false },
          image: { seed: 64, size: 2474 },
        },
        { do: 'write', bytes: 2474, chunk: 4096, as: 'string' },
        { do: 'end' },
      ],
    },
  ],
  [
    'a slot of the backup that a cut has torn before anything was saved is erased by begin',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 5, state: 4294967295 },
          { sequence: 6, state: 4294967295 },
        ],
        seed: 15571049,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('phy_init', 1, 1, 14, 1),
          row('www', 1, 131, 32, 7),
          row('storage', 1, 129, 41, 2),
          row('cfg', 64, 1, 43, 5),
          row('model', 1, 129, 48, 4),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        {
          do: 'begin',
          options: { partition: 'model', backup: 'www' },
          image: { seed: 0, size: 4096 },
        },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string', cut: { at: 5, tear: 'everyBit' } },
        { do: 'boot', mood: 'after' },
        {
          do: 'begin',
          options: { partition: 'www', backup: false },
          image: { seed: 64, size: 2474 },
        },
        { do: 'write', bytes: 2474, chunk: 4096, as: 'string' },
        { do: 'end' },
      ],
    },
  ],
  [
    'a trial that is over does not come back under an update over the air',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [
          { sequence: 4, state: 1, isTorn: true },
          { sequence: 5, state: 4294967295, isTorn: true },
        ],
        seed: 381801984,
        rows: [
          row('nvs', 1, 2, 9, 3),
          row('otadata', 1, 0, 12, 2),
          row('ota_0', 0, 16, 14, 12),
          row('ota_1', 0, 17, 26, 12),
          row('www', 1, 130, 38, 5),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        {
          do: 'air',
          options: { partition: 'www', trial: 2 },
          image: { seed: 0, size: 4096 },
          server: 'is honest',
          seed: 0,
        },
        { do: 'recover' },
        { do: 'boot', mood: 'after' },
        { do: 'recover' },
        { do: 'boot', mood: 'after' },
        {
          do: 'air',
          options: { partition: 'www' },
          image: { seed: 1, size: 5120 },
          server: 'is honest',
          seed: 0,
        },
      ],
    },
  ],
  [
    'what reads right after forget() is written anew over the air',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [undefined, undefined],
        seed: 381801984,
        rows: [row('nvs', 1, 2, 9, 3), row('www', 1, 130, 38, 2)],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        {
          do: 'air',
          options: { partition: 'www' },
          image: { seed: 5, size: 8192 },
          server: 'is honest',
          seed: 0,
          cut: { at: 9, tear: 'everyBit' },
        },
        { do: 'boot', mood: 'after' },
        { do: 'forget' },
        {
          do: 'air',
          options: { partition: 'www' },
          image: { seed: 5, size: 8192 },
          server: 'is honest',
          seed: 0,
        },
      ],
    },
  ],
  [
    'an update whose SOLID was cut is heard of again where its head has failed',
    {
      chip: {
        megabytes: 1,
        tells: true,
        otadata: [{ sequence: 2, state: 4294967295 }, undefined],
        seed: 331207648,
        rows: [
          row('nvs', 1, 2, 9, 4),
          row('otadata', 1, 0, 13, 2),
          row('www', 1, 130, 26, 4),
          row('ota_journal', 1, 6, 30, 5),
          row('storage', 1, 130, 40, 4),
          row('cfg', 1, 131, 44, 7),
        ],
      },
      steps: [
        { do: 'boot', mood: 'after' },
        { do: 'begin', options: { partition: 'storage' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'restore' },
        { do: 'begin', options: { partition: 'storage' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'end' },
        { do: 'begin', options: { partition: 'storage' }, image: { seed: 1, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string', cut: { at: 5, tear: 'everyBit' } },
        { do: 'wear', sector: 34 },
        { do: 'boot', mood: { seed: 1048455427 } },
        { do: 'begin', options: { partition: 'cfg' }, image: { seed: 0, size: 4096 } },
        { do: 'write', bytes: 4096, chunk: 4096, as: 'string' },
        { do: 'recover' },
        { do: 'boot', mood: 'after' },
        { do: 'recover' },
      ],
    },
  ],
];
