/** Why an image can have no manifest, and why a manifest is refused. */
import { Fault } from '../errors.ts';

/** Facts of each code. Lengths and sizes in bytes. */
export interface ManifestFacts {
  E_IMAGE_EMPTY: object;
  E_IMAGE_SIZE: { size: number; limit: number };

  /** A text is longer than its field. */
  E_TEXT_LENGTH: { field: 'partition' | 'version'; text: string; length: number; limit: number };
  E_CONTROL: { field: 'partition' | 'version'; text: string };
  /** Metadata or signature. */
  E_FREE_LENGTH: { field: 'metadata' | 'signature'; length: number; limit: number };

  /** The first bytes are not those of a manifest. */
  E_MAGIC: object;
  E_FORMAT: { version: number; known: number };
  /** It ends before its hashes begin. */
  E_CUT: { length: number; least: number };
  E_CUT_HEAD: { length: number; head: number };
  E_CRC: { computed: number; stored: number };
  /** Bytes that have to be zero: the first and the last one. */
  E_RESERVED: { first: number; last: number };
  /** Not of the one kind that is used. */
  E_DESCRIPTOR: object;
  /** 64 hex digits each. */
  E_DIGEST: { found: string; wanted: string };
  /** Of the hashes. */
  E_TREE_LENGTH: { length: number; needed: number; size: number };
  /** Hashes that those above do not prove; levels counted from 1. */
  E_TREE: { level: number; levels: number; block: number };
  E_AFTER_NUL: { field: 'partition' | 'version' };
  E_NOT_UTF8: { field: 'partition' | 'version' };
  E_NO_NUL: { field: 'version' };
}

/** An image, a field or a manifest that is refused. */
export class ManifestError<Code extends keyof ManifestFacts = keyof ManifestFacts> extends Fault<
  ManifestFacts,
  Code
> {
  override name = 'ManifestError';
}
