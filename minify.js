/** What terser leaves to be done for Espruino. */

import { parse } from 'acorn';

/** A function, or the whole module: what it declares, and what it and the functions in it use. */
class Scope {
  constructor(parent) {
    this.parent = parent;
    this.symbols = new Map();
    this.used = new Set();
  }

  declare(name) {
    if (!this.symbols.has(name))
      this.symbols.set(name, { scope: this, places: [], rivals: new Set() });
  }
}

const isFunction = ({ type }) => type.startsWith('Function');

/** @returns the nodes right under a node that may hold variables: names of properties and types are none. */
function childrenOf(node) {
  if (node.type === 'MemberExpression' && !node.computed) return [node.object];
  if (node.type === 'Property') return [node.value];
  return Object.values(node)
    .flat()
    .filter((value) => value && typeof value.type === 'string');
}

/** Declares what is declared in a function, however deep in its blocks. */
function hoist(node, scope) {
  if (node.type === 'FunctionDeclaration') scope.declare(node.id.name);
  if (node.type === 'VariableDeclarator') scope.declare(node.id.name);
  if (!isFunction(node)) childrenOf(node).forEach((child) => hoist(child, scope));
}

/** Collects all scopes, and each use of a name with the scope that it is in. */
function collect(node, scope, scopes, uses) {
  if (node.type === 'Identifier') uses.push([node, scope]);
  if (!isFunction(node) && node.type !== 'CatchClause')
    return childrenOf(node).forEach((child) => collect(child, scope, scopes, uses));
  const inner = new Scope(scope);
  scopes.push(inner);
  if (node.type === 'FunctionDeclaration') uses.push([node.id, scope]);
  const params = isFunction(node) ? node.params : [node.param];
  params.filter(Boolean).forEach((param) => {
    inner.declare(param.name);
    uses.push([param, inner]);
  });
  if (isFunction(node)) childrenOf(node.body).forEach((child) => hoist(child, inner));
  collect(node.body, inner, scopes, uses);
}

const FIRST = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$'];
const NAMES = [...FIRST, ...FIRST.flatMap((a) => [...FIRST, ...'0123456789'].map((b) => a + b))];

/**
 * Gives the variables of an ES5 module the shortest names: the more often one is used, the shorter. terser names them
 * in the order in which they are declared, which makes the bundle 3 % larger.
 */
export function shortenNames(code) {
  const ast = parse(code, { ecmaVersion: 5 });
  const module = new Scope();
  const scopes = [module];
  const uses = [];
  hoist(ast, module);
  collect(ast, module, scopes, uses);

  const globals = new Set(['do', 'if', 'in']);
  for (const [node, scope] of uses) {
    let owner = scope;
    while (owner && !owner.symbols.has(node.name)) owner = owner.parent;
    const symbol = owner?.symbols.get(node.name);
    if (!symbol) globals.add(node.name);
    else {
      symbol.places.push(node);
      for (let at = scope; at !== owner.parent; at = at.parent) at.used.add(symbol);
    }
  }
  // Two symbols need different names where one is used in the scope of the other.
  for (const scope of scopes)
    for (const symbol of scope.symbols.values())
      for (const rival of [...scope.used, ...scope.symbols.values()])
        if (rival !== symbol) {
          symbol.rivals.add(rival);
          rival.rivals.add(symbol);
        }

  const symbols = scopes.flatMap((scope) => [...scope.symbols.values()]);
  symbols.sort((a, b) => b.places.length - a.places.length);
  for (const symbol of symbols) {
    const taken = new Set([...symbol.rivals].map((rival) => rival.name));
    symbol.name = NAMES.find((name) => !taken.has(name) && !globals.has(name));
  }
  return edited(
    code,
    symbols.flatMap(({ name, places }) => places.map(({ start, end }) => [start, end, name])),
  );
}

/**
 * Moves declarations to the beginning of their functions, because Espruino does not hoist: terser leaves those of
 * functions that it inlines at the end, and hoists none if there is one only.
 */
export function hoistVariables(code) {
  const edits = [];
  const visit = (node) => {
    const body = isFunction(node) ? node.body.body : [];
    const last = body.at(-1);
    if (body.length > 1 && last.type === 'VariableDeclaration') {
      const text = code.slice(last.start, last.end).replace(/;?$/, ';');
      edits.push([last.start, last.end, ''], [body[0].start, body[0].start, text]);
    }
    childrenOf(node).forEach(visit);
  };
  visit(parse(code, { ecmaVersion: 5 }));
  return edited(code, edits);
}

/**
 * Declares what is declared inside of blocks where the function begins, and leaves all else as it is: for the readable
 * bundle. A block that is not reached declares nothing on Espruino.
 */
export function liftVariables(code) {
  const edits = [];
  const visitFunction = (statements) => {
    const names = new Set();
    const visit = (node, isNested) => {
      if (isFunction(node)) return visitFunction(node.body.body);
      if (isNested && node.type === 'VariableDeclaration') {
        const { declarations, start } = node;
        declarations.forEach(({ id }) => names.add(id.name));
        // Not the variable of a `for…in`.
        const isEmpty = declarations.every(({ init }) => !init) && code[node.end - 1] === ';';
        edits.push([start, isEmpty ? node.end : declarations[0].start, '']);
      }
      const isBlock = /^(If|For|ForIn|While|DoWhile|Switch|Try|Block)Statement$/.test(node.type);
      return childrenOf(node).forEach((child) => visit(child, isNested || isBlock));
    };
    statements.forEach((statement) => visit(statement, false));
    if (!names.size) return;
    const { start } = statements[0];
    const indent = /[ ]*$/.exec(code.slice(0, start))[0];
    edits.push([start, start, `var ${[...names].join(', ')};\n${indent}`]);
  };
  visitFunction(parse(code, { ecmaVersion: 5 }).body);
  return edited(code, edits);
}

/**
 * Exports functions where they are, and so below their comments: where Espruino's website looks for them. One that
 * the module itself calls stays a name.
 */
export function exportInPlace(code) {
  const { body } = parse(code, { ecmaVersion: 5 });
  const count = (name) => code.match(new RegExp(`(?<![.\\w$])${name}\\(`, 'g'))?.length;
  const edits = body.flatMap(({ start, end, expression }) => {
    const name = /^exports\.(\w+) = \1;$/.exec(code.slice(start, end))?.[1];
    const named = name && body.find(({ id }) => id?.name === name);
    if (!expression || !named || count(name) !== 1) return [];
    return [
      [start, end + 1, ''],
      [named.start, named.id.end, `exports.${name} = function `],
      [named.end, named.end, ';'],
    ];
  });
  return edited(code, edits);
}

/**
 * Compares with == where types differ by `undefined` at most. Not where they may: with true, false or null, with '',
 * and where a number is told by `>>> 0`. For the rest TypeScript sees to it.
 */
export function loosen(code) {
  const edits = [];
  const mayDiffer = (node) =>
    node.type === 'UnaryExpression' ||
    node.operator === '>>>' ||
    node.value === '' ||
    node.value === null;
  const visit = (node) => {
    const { type, operator, left, right } = node;
    if (type === 'BinaryExpression' && /^[!=]==$/.test(operator))
      if (![left, right].some(mayDiffer)) {
        const end = code.indexOf(operator, left.end) + operator.length;
        edits.push([end - 1, end, '']);
      }
    childrenOf(node).forEach(visit);
  };
  visit(parse(code, { ecmaVersion: 5 }));
  return edited(code, edits);
}

function edited(code, edits) {
  return edits
    .sort(([a], [b]) => b - a)
    .reduce((text, [start, end, by]) => text.slice(0, start) + by + text.slice(end), code);
}
