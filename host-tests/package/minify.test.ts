/**
 * The build's own passes behind terser: each makes code smaller, and does not change what it does. What they are given is
 * run before and after.
 */
import assert from 'node:assert/strict';
import * as minify from '../../minify.js';

type Pass = (code: string, ...more: unknown[]) => string;
const {
  abbreviate,
  declareConstants,
  endReturns,
  hoistVariables,
  inlineExpressions,
  inlineStatements,
  loosen,
  mergeFunctions,
  nestFunctions,
  shareNumber,
  shareStrings,
  shareVariables,
  shortenFlags,
  shortenNames,
} = minify as Record<string, Pass>;

/** @returns what a module exports as `f` for some arguments, or what it throws; and what it has noted on the way. */
function resultOf(code: string, args: unknown[]): unknown {
  const notes: unknown[] = [];
  const exported: { f?: (...args: unknown[]) => unknown } = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const load = new Function('out', 'note', code) as (...args: unknown[]) => void;
  load(exported, (it: unknown) => notes.push(it));
  try {
    return { value: exported.f!(...args), notes };
  } catch (error) {
    return { thrown: String(error), notes };
  }
}

/** Fails unless a pass makes this of some code, and that does the same for each list of arguments. */
function assertMade(made: string, wanted: string, code: string, ...calls: unknown[][]): void {
  assert.equal(made, wanted);
  for (const args of calls) assert.deepEqual(resultOf(made, args), resultOf(code, args));
}

/** Fails unless a pass leaves code as it is, but for names. */
function assertLeft(pass: (code: string) => string, code: string): void {
  assert.equal(shortenNames(pass(code)), shortenNames(code));
}

describe('inlineExpressions', () => {
  it('puts what a function returns in place of its calls', () => {
    const code = 'function g(a,b){return a*b+1}out.f=function(x,y){return g(x,y)-g(y,2)};';
    const made = shortenNames(inlineExpressions(code, ['g']));
    assertMade(
      made,
      'out.f=function(b,a){return ((b)*(a)+1)-((a)*(2)+1)};',
      shortenNames(code),
      [3, 4],
    );
  });

  it('puts in statements that are expressions', () => {
    const code = 'var n=1;function g(a){n+=a}out.f=function(x){g(x);g(2);return n};';
    const made = inlineExpressions(code, ['g']);
    assert.doesNotMatch(made, /function g/);
    assert.deepEqual(resultOf(made, [5]), { value: 8, notes: [] });
  });

  it('refuses a call with a missing argument, or with one too many', () => {
    const code = 'function g(a,b){return b?a:-a}out.f=function(x){return g(CALL)};';
    for (const call of ['x', 'x,1,2', ''])
      assert.throws(
        () => inlineExpressions(code.replace('CALL', call), ['g']),
        /cannot be inlined: g, with these arguments/,
      );
    assert.doesNotThrow(() => inlineExpressions(code.replace('CALL', 'x,1'), ['g']));
  });

  it('refuses to do twice, or not at all, what an argument does', () => {
    for (const body of ['a+a', '1'])
      assert.throws(
        () => inlineExpressions(`function g(a){return ${body}}out.f=function(){g(note(1))}`, ['g']),
        /with these arguments/,
      );
  });

  it('refuses a function that is not only called, has other statements, or is not there', () => {
    for (const code of [
      'function g(a){return a}out.f=g;',
      'function g(a){if(a)return 1}out.f=function(x){return g(x)};',
      'function h(a){return a}out.f=function(x){return h(x)};',
    ])
      assert.throws(() => inlineExpressions(code, ['g']), /cannot be inlined: g/);
  });
});

const inlined = (code: string) => shortenNames(inlineStatements(code));

describe('inlineStatements', () => {
  it('puts a function that is called once where it is called', () => {
    const code = 'function g(a){note(a);if(a)note(2)}out.f=function(x){g(x);return 3};';
    assertMade(
      inlined(code),
      'out.f=function(a){{note(a);if(a)note(2);}return 3};',
      shortenNames(code),
      [0],
      [1],
    );
  });

  it('copies what may change: a parameter that is written, or a variable of the module', () => {
    const code = 'var n=1;function g(a){n=5;a++;note(a)}out.f=function(){g(n);return n};';
    assert.deepEqual(resultOf(inlined(code), []), { value: 5, notes: [2] });
    assert.doesNotMatch(inlined(code), /function \w\(/);
  });

  it('puts a return where one was', () => {
    const code = 'function g(a){if(a)return 1;note(a)}out.f=function(x){return g(x)};';
    for (const x of [0, 1]) assert.deepEqual(resultOf(inlined(code), [x]), resultOf(code, [x]));
    assert.doesNotMatch(inlined(code), /function \w\(/);
  });

  it('puts a function behind && and || under an if', () => {
    for (const operator of ['&&', '||']) {
      const code = `function g(a){for(;a--;)note(a)}out.f=function(x,y){y${operator}g(x);return x};`;
      assert.doesNotMatch(inlined(code), /function \w\(/);
      for (const y of [0, 1])
        assert.deepEqual(resultOf(inlined(code), [2, y]), resultOf(code, [2, y]));
    }
  });
});

describe('inlineStatements', () => {
  it('leaves a call with a missing argument', () => {
    assertLeft(
      inlineStatements,
      'function g(a,b){note(a);if(b)note(b)}out.f=function(x){g(x);return 3};',
    );
  });

  it('leaves a function that is called twice, or whose value is used', () => {
    assertLeft(
      inlineStatements,
      'function g(a){note(a);if(a)note(2)}out.f=function(x){g(x);g(1)};',
    );
    assertLeft(
      inlineStatements,
      'function g(a){if(a)return 2;note(a)}out.f=function(x){return g(x)+1};',
    );
  });

  it('leaves a return where more follows', () => {
    assertLeft(
      inlineStatements,
      'function g(a){if(a)return;note(a)}out.f=function(x){g(x);return 3};',
    );
  });

  it('leaves what makes a function that stays', () => {
    assertLeft(
      inlineStatements,
      'var h;function g(a){h=function(){return a};note(a)}out.f=function(x){g(x);return h()};',
    );
  });

  it('leaves a variable without a value where there is a loop', () => {
    assertLeft(
      inlineStatements,
      'function g(a){var b;if(a>1)b=a;note(b)}out.f=function(x){for(;x--;)g(x)};',
    );
  });
});

describe('shortenFlags', () => {
  it('writes 1 and 0 for variables and parameters that are only tested', () => {
    const code = 'var a=!1;function g(b){return b?1:2}out.f=function(){a=!0;return a&&g(!1)};';
    assertMade(
      shortenFlags(code),
      'var a=!1;function g(b){return b?1:2}out.f=function(){a=!0;return a&&g(0)};',
      code,
      [],
    );
    const tested = 'var a=!1;function g(b){return b?1:2}out.f=function(){a=!0;if(a)return g(!1)};';
    assertMade(
      shortenFlags(tested),
      'var a=0;function g(b){return b?1:2}out.f=function(){a=1;if(a)return g(0)};',
      tested,
      [],
    );
  });

  it('leaves what is returned, compared, added, or kept', () => {
    for (const use of ['return a', 'return a===!0', 'return a+1', 'note(a)', 'out.a=a'])
      assertLeft(shortenFlags, `var a=!1;out.f=function(x){if(x)a=!0;${use}};`);
  });

  it('leaves a flag that is handed to a function that uses its value', () => {
    assertLeft(shortenFlags, 'function g(b){return b}out.f=function(){if(g(!0))note(1)};');
  });

  it('leaves a flag that is handed to a variable of that name', () => {
    assertLeft(
      shortenFlags,
      'function g(b){if(b)note(b)}out.f=function(g){g(!0)};function h(){g(h)}',
    );
  });

  it('follows a flag through parameters', () => {
    const code = 'function g(b){if(b)note(1)}function h(c){g(c)}out.f=function(x){h(!0);h(!x)};';
    assertMade(shortenFlags(code), code.replace('!0', '1'), code, [0], [1]);
  });

  it('does not mind an argument too many', () => {
    assertLeft(shortenFlags, 'function g(b){note(b)}out.f=function(){g(1,!0)};');
  });
});

const shared = (code: string) => shortenNames(shareVariables(code));

describe('shareVariables', () => {
  it('gives a variable the name of one that is not read any more', () => {
    const code = 'out.f=function(x){var y=x+1;note(y);var z=y*2;return z};';
    assertMade(
      shared(code),
      'out.f=function(a){a=a+1;note(a);a=a*2;return a};',
      shortenNames(code),
      [3],
    );
  });

  it('declares what is left', () => {
    const code = 'out.f=function(x){var a,b,c=x*2;for(a=0,b=x;a<c;a++)b+=a;a=b;return a};';
    for (const x of [0, 1, 4]) assert.deepEqual(resultOf(shared(code), [x]), resultOf(code, [x]));
    assert.equal(
      shared(code)
        .match(/var ([^;]*);/)![1]
        .split(',').length,
      2,
    );
  });

  it('leaves one that is read later, in whatever way', () => {
    for (const body of [
      'var y=x+1;return x*y',
      'var y;for(y=3;y--;){var z=x+y;note(z)}return 1',
      'for(var y=0,z;y<3;y++)z=x,note(z+y);return 1',
      'for(var y=x,n=2;n--;)note(y),y=7;return n',
      'var y=0;do{var z=x;note(z+y)}while(++y<3);return 1',
      'for(;x<9;x+=2){var y=x*2;note(y)}return 1',
      'var y;while((y=x--)>0)note(y);return 1',
      'try{var y=x+1;note(y);throw x}catch(e){return[x,e]}',
      'try{var y=x+1;throw y}catch(e){note(e)}finally{note(x)}return 1',
    ]) {
      const code = `out.f=function(x){${body}};`;
      assert.deepEqual(resultOf(shared(code), [3]), resultOf(code, [3]), body);
    }
  });

  it('leaves one that may be read before it is written', () => {
    for (const body of [
      'var y;note(x);if(q)y=1;return y',
      'var y;note(x);q&&(y=2);return y',
      'var y;note(x);for(var i=0;i<2;i++){note(y);y=i}return y',
      'var y;note(x);switch(q){case 1:y=3}return y',
      'var y;note(x);try{note.a.b;y=3}catch(e){}return y',
      'var y;note(x);return q?y=1:y',
      'var y;note(x);y++;return y',
      'var y;note(x);for(y in{a:1})note(y);return y',
    ]) {
      const code = `out.f=function(x,q){${body}};`;
      for (const q of [0, 1])
        assert.deepEqual(resultOf(shared(code), [5, q]), resultOf(code, [5, q]), body);
    }
  });
});

describe('shareVariables', () => {
  it('leaves what an inner function uses', () => {
    const code =
      'out.f=function(x){var g=function(){return x},y=x+1;note(y);var z=g();return[z,g()]};';
    assert.deepEqual(resultOf(shared(code), [3]), resultOf(code, [3]));
  });

  it('leaves a variable that Espruino may look up too late', () => {
    assertLeft(shareVariables, 'out.f=function(x){var y;return x+(y=2)+y};');
    assertLeft(shareVariables, 'out.f=function(x){var y;return x[y=2]+y};');
    assertLeft(shareVariables, 'out.f=function(x){var y;return note(x,y=2,y)};');
  });

  it('takes one that is only used within a turn of a loop', () => {
    const code = 'out.f=function(n){for(;n--;){var a=n*2;note(a);var b=n*3;note(b)}};';
    assertMade(
      shared(code),
      'out.f=function(a){for(;a--;){var b=a*2;note(b);b=a*3;note(b)}};',
      shortenNames(code),
      [3],
    );
  });

  it('does the same as before in functions made at random', function () {
    this.timeout(60000);
    let lent = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const code = randomModule(seed);
      const made = shared(code);
      const count = (text: string) => text.match(/var ([^;]*);/)?.[1].split(',').length ?? 0;
      lent += count(code) - count(made);
      for (const x of [0, 1, 5])
        assert.deepEqual(resultOf(made, [x, 2]), resultOf(code, [x, 2]), `${seed}: ${code}`);
    }
    assert.ok(lent > 150, `${lent} variables have another's name`);
  });
});

/** @returns a module whose function reads and writes six variables in loops and branches, by seed. */
function randomModule(seed: number): string {
  let state = seed;
  const below = (n: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % n;
  };
  const name = () => 'abcdxy'[below(6)];
  const value = () => [`${name()}+${below(9)}`, `${name()}*2%97`, name(), `${below(9)}`][below(4)];
  const assign = () => `${name()}=${value()}`;
  let loops = 0;
  const statement = (depth: number): string => {
    const inner = () => `{${statement(depth + 1)}${statement(depth + 1)}}`;
    const kind = below(depth > 2 ? 4 : 9);
    const counter = `i${loops}`;
    if (kind < 3) return `${assign()};`;
    if (kind === 3) return `note(${name()});`;
    if (kind === 4) return `if(${name()}%2)${inner()}else ${inner()}`;
    if (kind === 5) return `${name()}&&(${assign()},${assign()});`;
    if (kind === 6) return `try{${assign()};if(${name()}>4)throw 1;${assign()}}catch(e)${inner()}`;
    loops++;
    const end = kind === 7 ? `${counter}<3` : `${counter}<3&&${name()}<99`;
    return `for(${counter}=0;${end};${counter}++)${inner()}`;
  };
  const body = Array.from({ length: 8 }, () => statement(0)).join('');
  const counters = Array.from({ length: loops }, (_, n) => `,i${n}`).join('');
  return `out.f=function(x,y){var a,b,c,d${counters};${body}return[x,y,a,b,c,d]};`;
}

describe('shareStrings', () => {
  it('holds a text once, that of strings and of names of properties', () => {
    const code =
      'var n=1;out.f=function(x){return[x.length,x.slice(1).length,"length","ab"+x["length"],{length:n}.length]};';
    const made = shareStrings(code, 1);
    assert.equal(made.match(/(?<!\$)length/g)!.length, 2);
    assert.deepEqual(resultOf(made, ['abc']), resultOf(code, ['abc']));
  });

  it('stays ASCII, and apart from the word before', () => {
    const text = '\\xff\\xff\\xff\\xff';
    const code = `var n=1;out.f=function(x){return"${text}"==x||"${text}"+n+"${text}"};`;
    const made = shareStrings(code, 1);
    assert.match(made, /^[ -~]*$/);
    assert.equal(made.split(text).length, 2);
    for (const x of ['\xff\xff\xff\xff', 'no'])
      assert.deepEqual(resultOf(made, [x]), resultOf(code, [x]));
  });

  it('calls methods on what they belong to', () => {
    const code =
      'var n=1;out.f=function(x){return x.substr(n).substr(n).substr(n).substr(n).substr(n)};';
    const made = shareStrings(code, 1);
    assert.equal(made.match(/(?<!\$)substr/g)!.length, 1);
    assert.deepEqual(resultOf(made, ['abcdefg']), resultOf(code, ['abcdefg']));
  });

  it('takes the place behind what is in parentheses', () => {
    const code =
      'var n;out.f=function(x){return(n=x).length+(n=x).length+(n=x).length+(n=x).length+(n=x).length};';
    const made = shareStrings(code, 1);
    assert.equal(made.match(/(?<!\$)length/g)!.length, 1);
    assert.deepEqual(resultOf(made, ['abc']), resultOf(code, ['abc']));
  });

  it('leaves what would save less than it has to', () => {
    assertLeft(
      (code) => shareStrings(code, 12),
      'var n=1;out.f=function(x){return[x.length,x.a.length]};',
    );
  });
});

describe('shareNumber', () => {
  it('holds a number in a variable if it is used often enough', () => {
    const code = 'var n=1;out.f=function(x){return[x*4096,4096,x+4096,4096-n]};';
    assertMade(
      shareNumber(code, 4096),
      'var shared4096=4096,n=1;out.f=function(x){return[x*shared4096,shared4096,x+shared4096,shared4096-n]};',
      code,
      [2],
    );
    assertLeft((it) => shareNumber(it, 4096), 'var n=1;out.f=function(x){return x*4096};');
  });
});

describe('abbreviate', () => {
  it('compares with the number beside, where that is not longer', () => {
    const code = 'out.f=function(a){return[a>=5,10>=a,a<=8,9<=a,a>=0,a>=-1,a<=99,a>=1]};';
    const made = abbreviate(code);
    assert.equal(made, 'out.f=function(a){return[a>4,11>a,a<9,8<a,a>=0,a>=-1,a<=99,a>0]};');
    for (let a = -3; a < 120; a++)
      assert.deepEqual(resultOf(made, [a]), resultOf(code, [a]), `${a}`);
  });

  it('assigns with the operator', () => {
    const code = 'out.f=function(a,b){a=a>>>2;b=b-(a-1);a=b-a;b=a+b*2;return[a,b]};';
    assertMade(
      abbreviate(code),
      'out.f=function(a,b){a>>>=2;b-=(a-1);a=b-a;b=a+b*2;return[a,b]};',
      code,
      [99, 5],
    );
  });

  it('leaves out what assigns nothing in front of a loop', () => {
    const code = 'out.f=function(a){for(a=a;a--;)note(a)};';
    assertMade(abbreviate(code), 'out.f=function(a){for(;a--;)note(a)};', code, [2]);
  });
});

describe('nestFunctions', () => {
  const nest = (code: string, ...more: unknown[]) => shortenNames(nestFunctions(code, ...more));

  it('puts what only one exported function uses into it, whatever its variables are called', () => {
    const code =
      'var k=1;function g(a){return a+k+h()}function h(){return k=k+1}' +
      'out.f=function(k){return g(k)+k};';
    const wanted =
      'var k=1;out.f=function(x){function g(a){return a+k+h()}function h(){return k=k+1}' +
      'return g(x)+x};';
    assertMade(nest(code, []), shortenNames(wanted), code, [1], [5]);
  });

  it('leaves what two use, what runs when the module loads, and what is to stay', () => {
    for (const code of [
      'function g(){return 1}out.f=function(){return g()};out.e=function(){return g()};',
      'function g(a){return a}var b=g(1);out.f=function(a){return g(a)+b};',
    ])
      assert.equal(nest(code, []), shortenNames(code));
    const code =
      'function kept(){return h()}function h(){return 2}out.f=function(){return kept()};';
    assert.equal(nest(code, [], ['kept']), shortenNames(code));
  });

  it('puts functions into a named one as well, and that one into the one that uses it', () => {
    const code =
      'function host(a){return g(a)}function g(a){return a*2}' +
      'out.f=function(a){return host(a)+host(1)};';
    const wanted =
      'out.f=function(a){function host(b){function g(c){return c*2}return g(b)}' +
      'return host(a)+host(1)};';
    assertMade(nest(code, ['host']), shortenNames(wanted), code, [3]);
    assert.throws(() => nestFunctions(code, ['gone']), /no functions of the module: gone/);
  });
});

describe('mergeFunctions', () => {
  const merge = (code: string, names: string[]) => shortenNames(mergeFunctions(code, names));

  it('makes one function of several, whatever their variables are called', () => {
    const code =
      'var k=1;function g(a,b){var c=a-b;return c*k}function h(b){k+=b;if(b<5)h(b+1)}' +
      'out.f=function(a){h(a);return g(k,a)+g(a,1)};';
    const wanted =
      'var k=1;function m(w,x,y){if(w==0){var c=x-y;return c*k}if(w==1){k+=x;if(x<5)m(1,x+1)}}' +
      'out.f=function(a){m(1,a);return m(0,k,a)+m(0,a,1)};';
    assertMade(merge(code, ['g', 'h']), shortenNames(wanted), code, [1], [4], [9]);
  });

  it('calls one of two, one that has no parameters, and one from within another', () => {
    const code =
      'function g(){note(1);return 2}function h(a){note(g());return a}function i(a){return a*3}' +
      'out.f=function(a){g();return(a>1?h:i)(a)};';
    const wanted =
      'function m(w,x){if(w==0){note(1);return 2}if(w==1){note(m(0));return x}if(w==2){return x*3}}' +
      'out.f=function(a){m(0);return m(a>1?1:2,a)};';
    assertMade(merge(code, ['g', 'h', 'i']), shortenNames(wanted), code, [1], [2]);
  });

  it('keeps variables apart that functions inside of them use', () => {
    const code =
      'function g(a){var b=a+1;return function(a){return a+b}}function h(b,a){return g(b)(a)+a}' +
      'out.f=function(a){return h(a,2)+g(1)(a)};';
    const made = merge(code, ['g', 'h']);
    assert.equal(made.match(/function/g)!.length, 3);
    for (const args of [[1], [7]]) assert.deepEqual(resultOf(made, args), resultOf(code, args));
  });

  it('refuses one that is not there, or is used otherwise than by calls', () => {
    const code = 'function g(){}function h(){g()}out.f=function(){note(h)};';
    assert.throws(() => mergeFunctions(code, ['g', 'gone']), /cannot be merged: gone/);
    assert.throws(() => mergeFunctions(code, ['g', 'h']), /cannot be merged: h/);
    assert.equal(mergeFunctions(code, []), code);
  });
});

describe('endReturns', () => {
  it('ends a return without a value', () => {
    const code = 'out.f=function(a){function g(a){for(;a--;)if(a>1)return}return g(a),note(a),a};';
    assertMade(endReturns(code), code.replace('return}return', 'return;}return'), code, [0], [3]);
  });

  it('leaves all others', () => {
    for (const code of ['function f(a){if(a){return;}note(a)}', 'function f(a){return a}'])
      assert.equal(endReturns(code), code);
  });
});

describe('loosen, hoistVariables, declareConstants and shortenNames', () => {
  it('compare with == where types are the same', () => {
    assert.equal(
      loosen('out.f=a===1||b!==c||d===!0||e===""||g===null||h>>>0!==h;'),
      'out.f=a==1||b!=c||d===!0||e===""||g===null||h>>>0!==h;',
    );
  });

  it('move the last declaration of a function to its beginning', () => {
    assert.equal(hoistVariables('function f(){a=1;var a}'), 'function f(){var a;a=1;}');
  });

  it('give constants where they are declared', () => {
    assert.equal(declareConstants('var a,b,c;a=1,b=[],c=a,c++;'), 'var a=1,b=[],c;c=a,c++;');
  });

  it('give the shortest name to what is used most, and one that nothing else has', () => {
    const code =
      'var often=1,once=2;out.f=function(first,second){try{note(often+often+once+first)}catch(error){note(error)}return second+often};';
    const made = shortenNames(code);
    assertMade(
      made,
      'var a=1,b=2;out.f=function(c,d){try{note(a+a+b+c)}catch(a){note(a)}return d+a};',
      code,
      [3, 4],
    );
  });
});
