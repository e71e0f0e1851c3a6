/**
 * What the bundles must be so that Espruino can run them: it hoists nothing, has no labels, takes `default` only
 * as the last case, and lacks methods that every other engine has.
 */
import assert from 'node:assert/strict';
import { parse, type Node } from 'acorn';
import { read } from '../support/package.ts';

/** Bytes that a bundle may have. */
const BUDGETS = { 'ota.min.js': 13_369, 'ota-http.min.js': 9311 };

/** What Espruino 2v29 lacks of ES5 and ES2015 (seen by running it). */
const MISSING = [
  'freeze',
  'isFrozen',
  'seal',
  'preventExtensions',
  'getOwnPropertySymbols',
  'imul',
  'clz32',
  'trunc',
  'log2',
  'isInteger',
  'isSafeInteger',
  'from',
  'of',
  'flat',
  'flatMap',
  'copyWithin',
  'isView',
  'replaceAll',
  'finally',
  'race',
  'any',
  'allSettled',
  'BYTES_PER_ELEMENT',
];
const MISSING_GLOBALS = ['Map', 'Set', 'WeakMap', 'Symbol', 'Proxy', 'Reflect', 'BigInt', 'Buffer'];

type AnyNode = Node & Record<string, unknown>;

function isNode(value: unknown): value is AnyNode {
  return typeof (value as AnyNode | undefined)?.type === 'string';
}

function children(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode);
}

function walk(node: AnyNode, visit: (node: AnyNode) => void): void {
  visit(node);
  for (const child of children(node)) walk(child, visit);
}

/** Names that each function, and the module, declares: parameters, variables, functions, itself. */
interface Scope {
  parent?: Scope;
  /** Names that a declaration gives here, anywhere. */
  declared: Set<string>;
  /** Names whose declaration has been passed. */
  seen: Set<string>;
}

const isFunction = (node: AnyNode) => node.type.startsWith('Function');

function declarations(body: AnyNode, names: Set<string>): void {
  for (const node of children(body)) {
    if (node.type === 'FunctionDeclaration') names.add((node.id as { name: string }).name);
    if (node.type === 'VariableDeclarator') names.add((node.id as { name: string }).name);
    if (!isFunction(node)) declarations(node, names);
  }
}

/** @returns whether a name is declared, but where it has not been passed yet. */
function isTooEarly(name: string, scope: Scope): boolean {
  for (let s: Scope | undefined = scope; s; s = s.parent) {
    if (s.seen.has(name)) return false;
    if (s.declared.has(name)) return true;
  }
  return false;
}

/** @returns what is used where its declaration has not been passed yet: Espruino would look further out. */
function usedTooEarly(program: AnyNode): string[] {
  const found: string[] = [];
  const later: (() => void)[] = [];

  function enter(node: AnyNode, parent: Scope | undefined): void {
    const scope: Scope = { declared: new Set(), seen: new Set() };
    if (parent) scope.parent = parent;
    for (const parameter of (node.params ?? []) as { name: string }[])
      scope.seen.add(parameter.name);
    if (node.type === 'FunctionExpression' && node.id)
      scope.seen.add((node.id as unknown as { name: string }).name);
    const body = node.type === 'Program' ? node : (node.body as AnyNode);
    declarations(body, scope.declared);
    const statements = [...children(body)];
    // Functions that come first run when all of them are there.
    const first = statements.findIndex(({ type }) => type !== 'FunctionDeclaration');
    for (const { id } of statements.slice(0, Math.max(first, 0)))
      scope.seen.add((id as { name: string }).name);
    for (const child of statements) visit(child, scope);
  }

  function visit(node: AnyNode, scope: Scope): void {
    if (isFunction(node)) {
      const id = node.id as { name: string } | undefined;
      if (node.type === 'FunctionDeclaration' && id) scope.seen.add(id.name);
      // Its body runs when it is called; the module's own code has run by then.
      const isTopLevel = !scope.parent;
      if (isTopLevel) later.push(() => enter(node, scope));
      else enter(node, scope);
      return;
    }
    if (node.type === 'VariableDeclarator') {
      // Methods of what is assigned run after the assignment.
      const methods: AnyNode[] = [];
      if (isNode(node.init)) {
        if (node.init.type === 'ObjectExpression') {
          for (const { value } of node.init.properties as { value: AnyNode }[])
            if (isFunction(value)) methods.push(value);
            else visit(value, scope);
        } else visit(node.init, scope);
      }
      scope.seen.add((node.id as { name: string }).name);
      for (const method of methods) enter(method, scope);
      return;
    }
    if (node.type === 'CatchClause') {
      const inner: Scope = { parent: scope, declared: new Set(), seen: new Set() };
      if (isNode(node.param)) inner.seen.add((node.param as unknown as { name: string }).name);
      for (const child of children(node.body as AnyNode)) visit(child, inner);
      return;
    }
    if (node.type === 'Identifier') {
      const { name } = node as unknown as { name: string };
      if (isTooEarly(name, scope)) found.push(`${name} at ${node.start}`);
      return;
    }
    if (node.type === 'MemberExpression') {
      visit(node.object as AnyNode, scope);
      if (node.computed) visit(node.property as AnyNode, scope);
      return;
    }
    if (node.type === 'Property') {
      visit(node.value as AnyNode, scope);
      return;
    }
    for (const child of children(node)) visit(child, scope);
  }

  enter(program, undefined);
  for (const go of later) go();
  return found;
}

describe('the search for what is used too early', () => {
  const search = (text: string) =>
    usedTooEarly(parse(text, { ecmaVersion: 5 }) as unknown as AnyNode);

  it('finds a variable that is declared after its use', () => {
    assert.equal(search('function e() {} function f() { return e = 1; var e; }').length, 1);
    assert.equal(search('function f() { return g(); function g() {} }').length, 1);
    assert.equal(search('f(); function f() {}').length, 1);
    assert.equal(search('function f() { function g() { h(); } g(); function h() {} }').length, 1);
  });

  it('takes a function that is called later', () => {
    assert.deepEqual(
      search('function f() { return x + g(); } var x = 1; function g() {} f();'),
      [],
    );
    assert.deepEqual(search('function f() { function g() { h(); } function h() {} g(); }'), []);
  });
});

for (const file of ['ota.js', 'ota.min.js', 'ota-http.js', 'ota-http.min.js']) {
  describe(`dist/${file}`, () => {
    const text = read(`dist/${file}`).toString();
    const program = parse(text, { ecmaVersion: 5 }) as unknown as AnyNode;

    it('is ES5 in ASCII', () => {
      assert.doesNotMatch(text, /[^\x00-\x7f]/);
    });

    it('has no labels, and no default before the last case', () => {
      walk(program, (node) => {
        assert.notEqual(node.type, 'LabeledStatement');
        if (node.type !== 'SwitchStatement') return;
        const cases = node.cases as { test: unknown }[];
        assert.ok(cases.slice(0, -1).every(({ test }) => test));
      });
    });

    it('has no function that ends in a return without a value and a semicolon', () => {
      assert.doesNotMatch(text, /\breturn\s*}/);
    });

    it('uses nothing before its definition, in any scope', () => {
      assert.deepEqual(usedTooEarly(program), []);
    });

    it('calls nothing that Espruino lacks', () => {
      walk(program, (node) => {
        if (node.type === 'MemberExpression' && !node.computed)
          assert.ok(!MISSING.includes((node.property as { name: string }).name));
        if (node.type === 'Identifier')
          assert.ok(!MISSING_GLOBALS.includes((node as unknown as { name: string }).name));
        // Espruino cannot assign to a length.
        if (node.type === 'AssignmentExpression')
          assert.doesNotMatch(
            text.slice((node.left as Node).start, (node.left as Node).end),
            /\.length$/,
          );
      });
    });
  });
}

for (const [file, budget] of Object.entries(BUDGETS)) {
  describe(`dist/${file}`, () => {
    it(`has at most ${budget} bytes`, () => {
      const { length } = read(`dist/${file}`);
      assert.ok(length <= budget, `${length} bytes`);
    });
  });
}
