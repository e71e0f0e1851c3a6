/** Bytes and hashes as browsers have them, compared with Node's. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import * as bytes from '../../formats/bytes.ts';
import * as portable from '../../formats/hashes.ts';
import * as native from '../../host/hashes.ts';

const anyBytes = fc.uint8Array({ maxLength: 300 });
const holds = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(arbitrary, check), { seed: 11 });
const same = (actual: Uint8Array, expected: Uint8Array) =>
  assert.deepEqual([...actual], [...expected]);

describe('formats/bytes', () => {
  it('joins pieces, to a length, with a filler', () => {
    const pieces = [Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)];
    same(bytes.concat(pieces), Uint8Array.of(1, 2, 3));
    same(bytes.concat(pieces, 5), Uint8Array.of(1, 2, 3, 0, 0));
    same(bytes.concat(pieces, 4, 255), Uint8Array.of(1, 2, 3, 255));
    same(bytes.concat(pieces, 2), Uint8Array.of(1, 2));
  });

  it('tells bytes apart', () => {
    holds(anyBytes, (data) => {
      assert.ok(bytes.equals(data, data.slice()));
      assert.ok(!bytes.equals(data, bytes.concat([data, Uint8Array.of(0)])));
      if (data.length)
        assert.ok(
          !bytes.equals(
            data,
            data.map((byte) => byte ^ 1),
          ),
        );
    });
    assert.ok(bytes.isFilled(bytes.filled(3, 255), 255));
    assert.ok(!bytes.isFilled(Uint8Array.of(255, 254), 255));
  });

  it('reads and writes numbers as Buffer does', () => {
    holds(fc.nat({ max: 0xffffffff }), (value) => {
      const data = bytes.words(value, 1);
      assert.equal(bytes.readU32(data, 0), value);
      assert.equal(Buffer.from(data).readUInt32LE(0), value);
      assert.equal(bytes.readU16(data, 0), value & 0xffff);
      assert.equal(bytes.readU64(data, 0), BigInt(value) + (1n << 32n));
      bytes.writeU16(data, 0x1234, 1);
      assert.equal(Buffer.from(data).readUInt16LE(1), 0x1234);
      assert.throws(() => bytes.readU32(data, 5), RangeError);
    });
  });

  it('turns them into text and back', () => {
    holds(anyBytes, (data) => {
      const buffer = Buffer.from(data);
      assert.equal(bytes.toLatin1(data), buffer.toString('latin1'));
      assert.equal(bytes.toHex(data), buffer.toString('hex'));
      assert.equal(bytes.toBase64(data), buffer.toString('base64'));
      same(bytes.fromLatin1(bytes.toLatin1(data)), data);
      same(bytes.fromBase64(bytes.toBase64(data)), data);
    });
    assert.equal(bytes.toLatin1(bytes.filled(100_000, 65)), 'A'.repeat(100_000));
    same(bytes.toUtf8('\ufeffä'), Buffer.from('\ufeffä'));
    assert.equal(bytes.decodeText(bytes.toUtf8('\ufeffä')), '\ufeffä');
    assert.throws(() => bytes.decodeText(Uint8Array.of(0xc3)), TypeError);
  });
});

describe('formats/hashes', () => {
  it('are those of Node', () => {
    holds(anyBytes, (data) => {
      same(portable.sha256(data), native.sha256(data));
      same(portable.md5(data), native.md5(data));
      assert.equal(portable.crc32(data), native.crc32(data));
      const middle = data.length >> 1;
      const before = portable.crc32(data.subarray(0, middle));
      assert.equal(portable.crc32(data.subarray(middle), before), native.crc32(data));
    });
  });

  it('are what the standards print', () => {
    // FIPS 180-4's example, RFC 1321 A.5, and the check value of CRC-32 in the catalogue of Greg Cook.
    const { sha256, md5, crc32 } = portable;
    const abc = bytes.toUtf8('abc');
    assert.match(bytes.toHex(sha256(abc)), /^ba7816bf8f01cfea414140de5dae2223b00361a396177a9c/);
    assert.equal(bytes.toHex(md5(abc)), '900150983cd24fb0d6963f7d28e17f72');
    assert.equal(crc32(bytes.toUtf8('123456789')), 0xcbf43926);
  });
});
