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

/** @returns the scopes of an ES5 module, itself first, with all places of each symbol; and the names of globals. */
function scopesOf(ast) {
  const module = new Scope();
  const scopes = [module];
  const uses = [];
  const globals = new Set();
  hoist(ast, module);
  collect(ast, module, scopes, uses);
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
  return { scopes, globals };
}

/**
 * Gives the variables of an ES5 module the shortest names: the more often one is used, the shorter. terser names them
 * in the order in which they are declared, which makes the bundle 3 % larger.
 */
export function shortenNames(code) {
  const { scopes, globals } = scopesOf(parse(code, { ecmaVersion: 5 }));
  for (const name of ['do', 'if', 'in']) globals.add(name);
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

/** Gives each variable of a function a name that no other variable has, so that functions can be put into others. */
function nameUniquely(code) {
  const [, ...scopes] = scopesOf(parse(code, { ecmaVersion: 5 })).scopes;
  const symbols = scopes.flatMap((scope) => [...scope.symbols.values()]);
  return edited(
    code,
    symbols.flatMap(({ places }, n) =>
      places.map(({ start, end, name }) => [start, end, `${name}$_${n}`]),
    ),
  );
}

/** @returns the names of the functions of a module that a node uses. */
function callsIn(node, functions) {
  const uses = nodesIn(
    { node },
    ({ type, name }) => type === 'Identifier' && functions.has(name),
    true,
  );
  return new Set(uses.map(({ name }) => name));
}

/**
 * Puts functions that nothing else uses into the function that does, so that they are in memory only while it runs, or
 * while a function that it returned is in use: in Espruino each takes 5 JsVars, and one for each parameter. What was put
 * there is read again at each call, so it is for functions that are called once in a call of the API: those that the
 * module exports, and others.
 * @param others - names of functions that others may be put into, too
 * @param kept - names of functions that stay where they are, with all that they use
 */
export function nestFunctions(code, others, kept = []) {
  code = nameUniquely(code);
  const ast = parse(code, { ecmaVersion: 5 });
  const functions = new Map(ast.body.filter(({ id }) => id).map((node) => [node.id.name, node]));
  const hosts = new Map(others.map((name) => [name, functions.get(name)]));
  const missing = [...others, ...kept].filter((name) => !functions.has(name));
  if (missing.length) throw new Error(`no functions of the module: ${missing.join(', ')}`);
  // Exported functions have no name; what else is outside of all functions runs when the module loads.
  const calls = new Map(
    [...functions].map(([name, node]) => [name, callsIn(node.body, functions)]),
  );
  const isOwn = (node) => node.type === 'FunctionExpression';
  for (const node of ast.body.filter(({ id }) => !id)) {
    const exported = nodesIn({ node }, isOwn);
    exported.forEach((host) => hosts.set(host, host));
    for (const host of exported) calls.set(host, callsIn(host.body, functions));
    const all = callsIn(node, functions);
    const within = new Set(exported.flatMap((host) => [...calls.get(host)]));
    const outside = [...all].filter((name) => !within.has(name));
    calls.set(node, new Set(outside));
  }
  /** @returns what is reached from the outside without going through a function. */
  const reachedWithout = (host) => {
    const reached = new Set();
    const visit = (name) => {
      if (name === host || reached.has(name)) return;
      reached.add(name);
      calls.get(name).forEach(visit);
    };
    for (const key of calls.keys()) if (typeof key !== 'string' || kept.includes(key)) visit(key);
    return reached;
  };
  const places = new Map();
  // A host inside another one takes what it can, so the one with the fewest comes last.
  const reach = [...hosts].map(([key, node]) => {
    const reached = reachedWithout(key);
    return {
      node,
      key,
      own: [...functions.keys()].filter(
        (name) => name !== key && !kept.includes(name) && !reached.has(name),
      ),
    };
  });
  reach.sort((a, b) => b.own.length - a.own.length);
  for (const { node, own } of reach) for (const name of own) places.set(name, node);
  const textOf = (node) => {
    const { start, body, end } = node;
    const inner = [...places].filter(([, host]) => host === node);
    const texts = inner.map(([name]) => textOf(functions.get(name)));
    return (
      code.slice(start, body.start + 1) +
      texts.join('') +
      innerText(node) +
      code.slice(end - 1, end)
    );
  };
  const innerText = ({ body }) => code.slice(body.start + 1, body.end - 1);
  const edits = [...hosts]
    .filter(([key]) => !places.has(key))
    .map(([, node]) => [node.start, node.end, textOf(node)]);
  for (const name of places.keys()) {
    const { start, end } = functions.get(name);
    edits.push([start, end, '']);
  }
  return edited(code, edits);
}

/**
 * Makes one function of several: in Espruino each takes 5 JsVars, and one for each parameter. All of its text is read at
 * each call, so it is for functions that are called rarely.
 * @param names - functions of the module; they are called and nothing else
 */
export function mergeFunctions(code, names) {
  if (!names.length) return code;
  code = nameUniquely(code);
  const ast = parse(code, { ecmaVersion: 5 });
  const members = names.map((name) => ast.body.find(({ id }) => id?.name === name));
  const isMember = ({ type, name }) => type === 'Identifier' && names.includes(name);
  const edits = [];
  const called = members.map((member) => member?.id);
  for (const call of nodesIn(ast, ({ type }) => type === 'CallExpression', true)) {
    const { callee } = call;
    // It may be `(test?one:other)(…)`.
    const { test, consequent = callee, alternate = callee } = callee;
    const chosen = test ? [consequent, alternate] : [callee];
    if (!chosen.every(isMember)) continue;
    called.push(...chosen);
    const [first] = call.arguments;
    const isClose = /\w/.test(code[call.start - 1]);
    if (test) edits.push([call.start, test.start, `${isClose ? ' ' : ''}merged(`]);
    for (const { start, end, name } of chosen)
      edits.push([start, end, (test ? '' : 'merged(') + names.indexOf(name)]);
    edits.push([alternate.end, first?.start ?? call.end - 1, first ? ',' : '']);
  }
  const missing = names.find((_, which) => !members[which]);
  const stray = nodesIn(ast, isMember, true).find((node) => !called.includes(node));
  if (stray || missing) throw new Error(`cannot be merged: ${missing ?? stray.name}`);

  const count = Math.max(...members.map(({ params }) => params.length));
  const params = Array.from({ length: count }, (_, n) => `merged$${n}`);
  for (const { params: own, body } of members)
    for (const node of nodesIn({ body }, ({ type }) => type === 'Identifier', true)) {
      const n = own.findIndex(({ name }) => name === node.name);
      if (n >= 0) edits.push([node.start, node.end, params[n]]);
    }
  members.forEach(({ start, body }, which) => {
    edits.push([start, body.start, `if(merged$which==${which})`]);
  });
  return joined(code, edits, members, `function merged(${['merged$which', ...params].join()})`);
}

/** @returns code in which some of its functions, once it is edited, are the statements of one. */
function joined(code, edits, members, head) {
  const within = ({ start, end }) => edits.filter(([from, to]) => start <= from && to <= end);
  const texts = members.map((node) =>
    edited(
      code.slice(node.start, node.end),
      within(node).map(([from, to, by]) => [from - node.start, to - node.start, by]),
    ),
  );
  const inside = new Set(members.flatMap(within));
  const [first, ...others] = members;
  return edited(code, [
    ...edits.filter((edit) => !inside.has(edit)),
    [first.start, first.end, `${head}{${texts.join('')}}`],
    ...others.map(({ start, end }) => [start, end, '']),
  ]);
}

const LOOPS = /^(For|ForIn|While|DoWhile)Statement$/;

/** @returns the nodes under a node for which `isWanted`; what is inside of functions only with `isDeep`. */
function nodesIn(node, isWanted, isDeep) {
  const inner = childrenOf(node).filter((child) => isDeep || !isFunction(child));
  return inner
    .flatMap((child) => nodesIn(child, isWanted, isDeep))
    .concat(childrenOf(node).filter(isWanted));
}

/**
 * Puts functions that are nothing but expressions in place of their calls: it is smaller for those that are named.
 * @param names - functions of the module; they are called and nothing else, with variables, or use each argument once
 */
export function inlineExpressions(code, names) {
  for (const name of names) {
    code = nameUniquely(code);
    const ast = parse(code, { ecmaVersion: 5 });
    const named = ast.body.find(({ id }) => id?.name === name);
    const parts = (named?.body.body ?? []).map(
      ({ argument, expression }) => argument ?? expression,
    );
    const places = scopesOf(ast).scopes[0].symbols.get(name)?.places ?? [];
    const calls = nodesIn(ast, ({ type }) => type === 'CallExpression', true).filter(
      ({ callee }) => callee.name === name,
    );
    if (!parts.length || !parts.every(Boolean) || calls.length !== places.length - 1)
      throw new Error(`cannot be inlined: ${name}`);
    const uses = nodesIn(named.body, ({ type }) => type === 'Identifier', true);
    const isFit = ({ arguments: given }) =>
      given.length === named.params.length &&
      given.every(({ type }, n) => {
        const { length } = uses.filter(({ name }) => name === named.params[n].name);
        return length === 1 || /^(Identifier|MemberExpression|Literal)$/.test(type);
      });
    if (!calls.every(isFit)) throw new Error(`cannot be inlined: ${name}, with these arguments`);
    const edits = calls.map((call) => {
      const given = ({ name }) => call.arguments[named.params.findIndex((it) => it.name === name)];
      const texts = parts.map((part) => {
        const used = nodesIn({ part }, ({ type }) => type === 'Identifier', true).filter(given);
        const inner = used.map((node) => {
          const { start, end } = given(node);
          return [node.start - part.start, node.end - part.start, `(${code.slice(start, end)})`];
        });
        return edited(code.slice(part.start, part.end), inner);
      });
      return [call.start, call.end, `(${texts.join()})`];
    });
    code = edited(code, [...edits, [named.start, named.end, '']]);
  }
  return code;
}

/**
 * Puts the statements of a function that is called in one place where it is called, if nothing but statements is there.
 * terser makes a function expression of it: Espruino would read that again, and make it again, at each call.
 */
export function inlineStatements(code) {
  for (;;) {
    const unique = nameUniquely(code);
    const edits = firstInlining(unique);
    if (!edits) return code;
    code = edited(unique, edits);
  }
}

/** @returns the edits that inline one function, if there is one left that can be. */
function firstInlining(code) {
  const ast = parse(code, { ecmaVersion: 5 });
  const [{ symbols }, ...inside] = scopesOf(ast).scopes;
  const locals = new Map(inside.flatMap((scope) => [...scope.symbols]));
  const written = nodesIn(ast, ({ type }) => /^(Assignment|Update|ForIn)/.test(type), true);
  const targets = new Set(written.map(({ left, argument }) => (left ?? argument).name));
  const params = nodesIn(ast, isFunction, true).flatMap((node) => node.params);
  const declared = nodesIn(ast, ({ type }) => type === 'VariableDeclarator', true);
  const set = declared.filter(({ id, init }) => init && !symbols.has(id.name)).map(({ id }) => id);
  const names = new Set([...params, ...set].map(({ name }) => name));
  /** @returns whether a name is that of a local variable that keeps its first value. */
  const isKept = (name) => names.has(name) && !targets.has(name);
  // A closure that stays keeps all variables of its function in memory.
  const isStaying = ({ type, right, argument }) =>
    (type === 'AssignmentExpression' && isFunction(right)) ||
    (type === 'ReturnStatement' && argument && isFunction(argument));
  const functionOf = (callee) => {
    if (isFunction(callee)) return callee;
    const { places = [] } = symbols.get(callee.name) ?? {};
    return places.length === 2 && ast.body.find(({ id }) => id?.name === callee.name);
  };
  const textOf = ({ start, end }) => code.slice(start, end);
  let edits;
  const visit = (node, isInLoop, host) => {
    const value = node.type === 'ReturnStatement' ? node.argument : node.expression;
    const { operator, right } = value ?? {};
    const call = operator === '&&' || operator === '||' ? right : value;
    const isStatement = /^(Return|Expression)Statement$/.test(node.type);
    const isReturn = node.type === 'ReturnStatement';
    if (isStatement && call?.type === 'CallExpression' && !(isReturn && call !== value)) {
      const inner = functionOf(call.callee);
      const body = inner && inner.body.body;
      const has = (type, isDeep) => nodesIn(inner.body, (found) => found.type === type, isDeep)[0];
      const isFit =
        body &&
        inner.params.length === call.arguments.length &&
        ![host, inner].some((it) => it && nodesIn(it.body, isStaying)[0]) &&
        (isReturn || !has('ReturnStatement')) &&
        // In a loop each variable has to be set anew, and none may be kept.
        !(isInLoop && (nodesIn(inner.body, isFunction)[0] || !body.every(isSetting)));
      if (isFit) {
        const renamed = [];
        const params = inner.params.map((param, n) => {
          const given = call.arguments[n];
          const places = locals.get(param.name).places.filter((place) => place !== param);
          const [first] = inner.body.body;
          // A variable of the module keeps its value at least through declarations without a call.
          const isAtOnce =
            given.type === 'Identifier' &&
            isSetting(first) &&
            !nodesIn(first, ({ type }) => /^(Call|Assignment|Update)/.test(type))[0] &&
            places.every(({ start }) => start < first.end);
          if (targets.has(param.name) || !(isKept(given.name) || isAtOnce))
            return `var ${param.name}=${textOf(given)};`;
          for (const { start, end } of places)
            renamed.push([start - inner.body.start, end - inner.body.start, given.name]);
          return '';
        });
        const text = params.join('') + edited(textOf(inner.body), renamed).slice(1, -1);
        const test = call === value ? '' : textOf(value.left);
        const condition = test && `if(${operator === '&&' ? test : `!(${test})`})`;
        edits = [[node.start, node.end, `${condition}{${text};${isReturn ? 'return;' : ''}}`]];
        if (inner !== call.callee) edits.push([inner.start, inner.end, '']);
      }
    }
    for (const child of childrenOf(node)) {
      if (edits) return;
      const isInner = isFunction(child);
      visit(child, !isInner && (isInLoop || LOOPS.test(node.type)), isInner ? child : host);
    }
  };
  visit(ast, false);
  return edits;
}

/** What may be left out, or done more than once: each is a region of its own. */
const REGIONS = {
  IfStatement: ['consequent', 'alternate'],
  ConditionalExpression: ['consequent', 'alternate'],
  LogicalExpression: ['right'],
  ForStatement: ['body', 'update'],
  ForInStatement: ['left', 'body'],
  WhileStatement: ['body'],
  DoWhileStatement: ['body'],
  SwitchStatement: ['cases'],
  TryStatement: ['block', 'handler', 'finalizer'],
};

/**
 * @param symbols - some variables of a function, by their names
 * @returns where each is read and written, in the order in which that happens: when, in which nodes, in which regions,
 * and whether it is nothing but written. And when each loop ends.
 */
function usesIn(node, symbols) {
  const uses = new Map([...symbols.values()].map((symbol) => [symbol, []]));
  const ends = new Map();
  let time = 0;
  const note = (place, path, regions, isWrite) =>
    uses.get(symbols.get(place.name))?.push({ time: ++time, path, regions, isWrite });
  const visit = (node, outer, regions) => {
    const { type, left, right, id, init, operator } = node;
    const path = [...outer, node];
    const isSet = type === 'AssignmentExpression' && operator === '=';
    if (type === 'Identifier') return note(node, path, regions, false);
    if (type === 'VariableDeclarator' || (isSet && left.type === 'Identifier')) {
      if (init ?? right) visit(init ?? right, path, regions);
      return init === null || note(id ?? left, path, regions, true);
    }
    const apart = (REGIONS[type] ?? []).flatMap((name) => node[name] ?? []);
    const { test, body, update } = node;
    const children = type === 'ForStatement' ? [init, test, body, update] : childrenOf(node);
    // All but what comes once, before it, is in the loop.
    const within = LOOPS.test(type) ? [...regions, node] : regions;
    for (const child of children.filter(Boolean)) {
      const around = child === init || child === right ? regions : within;
      visit(child, path, apart.includes(child) ? [...around, child] : around);
    }
    // What is counted up, or assigned to with an operator, is written when all else of that is done.
    if (/^(Assignment|Update)/.test(type)) visit(left ?? node.argument, path, regions);
    if (within !== regions) ends.set(node, ++time);
    return undefined;
  };
  node.params.forEach((param) => note(param, [node], [], true));
  visit(node.body, [node], []);
  return { uses, ends };
}

/**
 * @returns whether Espruino may look up a variable that was to be read first when another one has been written already:
 * it does so in `a + (b = 1)`, and we do not count on any but the plainest order
 */
function isReadLate({ path }, write) {
  const isOn = (node, n) => node === write.path[n];
  const shared = path.filter(isOn).at(-1);
  if (shared === write.path.at(-1)) return false;
  return !/Statement$|^(Function|Sequence|Logical|Conditional|Variable|Catch|Switch)/.test(
    shared.type,
  );
}

/** @returns which variables of a function can take the name of another one, by their names: see `shareVariables`. */
function hostsIn(node, symbols) {
  const { uses, ends } = usesIn(node, symbols);
  const spans = [...symbols].map(([name, symbol]) => {
    const places = uses.get(symbol);
    const [first] = places;
    const isAhead = ({ regions }) => first.regions.every((region, n) => region === regions[n]);
    const isMovable = !!first?.isWrite && places.every(isAhead);
    // What is written outside of a loop stays in use until the loop is over.
    const last = places.flatMap(({ time, regions }) => [
      time,
      ...regions.slice(first.regions.length).map((region) => ends.get(region) ?? 0),
    ]);
    const until = isMovable ? Math.max(...last) : Infinity;
    return { name, places, first, isMovable, until, from: isMovable ? first.time : 0 };
  });
  spans.sort((a, b) => a.from - b.from);
  const found = new Map();
  const hosts = [];
  for (const span of spans) {
    const { name, places, first, isMovable, until, from } = span;
    const isParam = node.params.some((param) => param.name === name);
    const isFree = (host) =>
      host.until < from && !host.places.some((place) => isReadLate(place, first));
    const host = isMovable && !isParam && hosts.find(isFree);
    if (!host) hosts.push(span);
    else {
      found.set(name, host.name);
      host.until = until;
      host.places.push(...places);
    }
  }
  return found;
}

/** @returns the edits that take variables out of a declaration: those without a value, and `var` if nothing is left. */
function undeclare({ start, end, declarations }, isTaken, isLoop) {
  const isGone = ({ id, init }) => !init && isTaken(id.name);
  const kept = declarations.filter((it) => !isGone(it));
  if (!kept.length) return [[start, isLoop ? declarations.at(-1).end : end, '']];
  const edits = declarations.flatMap((it, n) => {
    if (!isGone(it)) return [];
    const hasBefore = declarations.slice(0, n).some((before) => !isGone(before));
    return [
      hasBefore ? [declarations[n - 1].end, it.end, ''] : [it.start, declarations[n + 1].start, ''],
    ];
  });
  const isBare = kept.every(({ id }) => isTaken(id.name));
  return isBare ? [...edits, [start, declarations[0].start, '']] : edits;
}

/**
 * Gives variables of a function one name where the one is read for the last time before the other is written for the first
 * time: fewer names to declare, and less memory. Not those that an inner function uses.
 *
 * The second has to be written before each place where it is read, in whatever way that is reached.
 */
export function shareVariables(code) {
  code = nameUniquely(code);
  const ast = parse(code, { ecmaVersion: 5 });
  const [, ...scopes] = scopesOf(ast).scopes;
  const all = scopes.flatMap((scope) => [...scope.symbols]);
  const edits = [];
  for (const node of nodesIn(ast, isFunction, true)) {
    const found = (type) =>
      nodesIn({ params: node.params, body: node.body }, (it) => it.type === type);
    const own = new Set(found('Identifier'));
    const symbols = new Map(
      all.filter(([, { places }]) => places.every((place) => own.has(place))),
    );
    // What `catch` declares is in a scope of its own.
    for (const { param } of found('CatchClause')) symbols.delete(param.name);
    const hosts = hostsIn(node, symbols);
    for (const [name, host] of hosts)
      for (const { start, end } of symbols.get(name).places) edits.push([start, end, host]);
    const inits = found('ForStatement').map(({ init }) => init);
    for (const declaration of found('VariableDeclaration')) {
      const isTaken = (name) => hosts.has(name);
      edits.push(...undeclare(declaration, isTaken, inits.includes(declaration)));
    }
  }
  // What is not declared any more needs no other name.
  const isGone = ([start, end, by]) =>
    by && edits.some((other) => !other[2] && other[0] <= start && end <= other[1]);
  return edited(
    code,
    edits.filter((edit) => !isGone(edit)),
  );
}

/** Gives variables of the module their constants where they are declared: terser does so behind the functions. */
export function declareConstants(code) {
  const { body } = parse(code, { ecmaVersion: 5 });
  const { declarations = [] } = body.find(({ type }) => type === 'VariableDeclaration') ?? {};
  const { expression } = body.find(({ type }) => type === 'ExpressionStatement') ?? {};
  const [...parts] = expression?.expressions ?? [];
  const edits = [];
  while (parts.length > 1) {
    const { start, left, right } = parts.shift();
    const declared = declarations.find(({ id, init }) => !init && id.name === left?.name);
    if (!declared || !(right.type === 'Literal' || right.elements?.length === 0)) break;
    edits.push([declared.end, declared.end, `=${code.slice(right.start, right.end)}`]);
    edits.push([start, parts[0].start, '']);
  }
  return edited(code, edits);
}

/** Holds a number in a variable of the module: terser puts it wherever the number is used. */
export function shareNumber(code, number) {
  const ast = parse(code, { ecmaVersion: 5 });
  const [{ start }] = ast.body.find(({ type }) => type === 'VariableDeclaration').declarations;
  const uses = nodesIn(ast, ({ value }) => value === number, true);
  if (uses.length < number.toString().length) return code;
  const name = `shared${number}`;
  const edits = uses.map((use) => [use.start, use.end, name]);
  return edited(code, [...edits, [start, start, `${name}=${number},`]]);
}

/**
 * Holds a text in a variable of the module where that saves `least` bytes: both a name of a property and a string. A
 * variable takes two JsVars of memory.
 */
export function shareStrings(code, least) {
  const ast = parse(code, { ecmaVersion: 5 });
  const [{ start }] = ast.body.find(({ type }) => type === 'VariableDeclaration').declarations;
  const places = new Map();
  const wanted = ({ type, computed, value }) =>
    type === 'MemberExpression' ? !computed : typeof value === 'string';
  for (const node of nodesIn(ast, wanted, true)) {
    const text = node.value ?? node.property.name;
    places.set(text, [...(places.get(text) ?? []), node]);
  }
  const edits = [];
  for (const [text, nodes] of places) {
    const name = `shared$${text.replace(/\W/g, '$')}${edits.length}`;
    const own = nodes.map(({ type, property, start, end }) =>
      type === 'Literal'
        ? [start, end, /\w/.test(code[start - 1]) ? ` ${name}` : name]
        : [property.start - 1, end, `[${name}]`],
    );
    // Most names get two letters.
    const gain = own.reduce(
      (sum, [from, to, by]) => sum + to - from - by.length + name.length - 2,
      0,
    );
    // Codes above 127 would be two bytes on the chip.
    const literal = JSON.stringify(text).replace(
      /[^ -~]/g,
      (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
    if (gain - `,ab=${literal}`.length < least) continue;
    edits.push(...own, [start, start, `${name}=${literal},`]);
  }
  return edited(code, edits);
}

/**
 * Writes shorter what terser leaves: `a>4` for `a>=5`, as nothing but whole numbers is compared with such; `a>>=2` for
 * `a=a>>2`, and nothing for `a=a`.
 */
export function abbreviate(code) {
  const ast = parse(code, { ecmaVersion: 5 });
  const edits = [];
  const visit = (node, parent) => {
    const { type, operator, left, right } = node;
    const textOf = ({ start, end }) => code.slice(start, end);
    if (type === 'BinaryExpression' && /^[<>]=$/.test(operator)) {
      const literal = [left, right].find(({ value }) => Number.isInteger(value) && value > 0);
      const isMore = (operator === '>=') === (literal === left);
      const value = literal && literal.value + (isMore ? 1 : -1);
      if (literal && `${value}`.length <= textOf(literal).length) {
        edits.push([literal.start, literal.end, `${value}`]);
        const at = code.indexOf(operator, left.end);
        edits.push([at + 1, at + 2, '']);
      }
    }
    if (type === 'AssignmentExpression' && operator === '=' && left.type === 'Identifier') {
      if (right.type === 'BinaryExpression' && right.left.name === left.name)
        if (/^([-+*/%&|^]|<<|>>>?)$/.test(right.operator)) {
          const at = code.indexOf(right.operator, right.left.end) + right.operator.length;
          edits.push([left.end, right.left.end, ''], [at, at, '=']);
        }
      if (right.name === left.name && parent.type === 'ForStatement')
        edits.push([node.start, node.end, '']);
    }
    childrenOf(node).forEach((child) => visit(child, node));
  };
  visit(ast);
  return edited(code, edits);
}

/** @returns whether a statement declares nothing, or nothing without a value. */
function isSetting(statement) {
  const declared = nodesIn({ body: statement }, ({ type }) => type === 'VariableDeclarator');
  return declared.every(({ init }) => init && statement.type === 'VariableDeclaration');
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

/** Ends each `return` without a value: where one ends a function that is not reached, Espruino looks for a value behind it. */
export function endReturns(code) {
  const ast = parse(code, { ecmaVersion: 5 });
  const isBare = ({ type, argument, end }) =>
    type === 'ReturnStatement' && !argument && code[end - 1] !== ';';
  return edited(
    code,
    nodesIn(ast, isBare, true).map(({ end }) => [end, end, ';']),
  );
}

/**
 * Compares with == where types differ by `undefined` at most. Not where they may: with true, false or null, with '',
 * and where a number is told by `>>> 0`. For the rest TypeScript sees to it.
 */
export function loosen(code) {
  const edits = [];
  const mayDiffer = (node) =>
    node.type === 'UnaryExpression' ||
    (node.operator === '>>>' && node.right.value === 0) ||
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

/**
 * Writes 1 for `!0` and 0 for `!1` where nothing but conditions ever see that: in variables and parameters that are only
 * tested, or handed on to such.
 */
export function shortenFlags(code) {
  const ast = parse(code, { ecmaVersion: 5 });
  const parents = new Map();
  const link = (node) =>
    childrenOf(node).forEach((child) => {
      parents.set(child, node);
      link(child);
    });
  link(ast);
  const { scopes } = scopesOf(ast);
  const owners = new Map();
  const flags = new Set(scopes.flatMap(({ symbols }) => [...symbols.values()]));
  for (const symbol of flags) symbol.places.forEach((place) => owners.set(place, symbol));
  const functions = new Map(ast.body.filter(({ id }) => id).map((node) => [node.id.name, node]));
  const isFlag = (node) => flags.has(owners.get(node));

  /** @returns whether the value of a node ends in conditions and flags, and nowhere else. */
  const isTested = (node) => {
    const parent = parents.get(node);
    const { type, test, left, right, operator, callee } = parent;
    if (/^(If|While|DoWhile|For|Conditional)/.test(type) && test === node) return true;
    if (type === 'ExpressionStatement' || operator === '!') return true;
    if (type === 'ForStatement') return parent.body !== node;
    if (type === 'LogicalExpression' || type === 'ConditionalExpression') return isTested(parent);
    if (type === 'SequenceExpression')
      return parent.expressions.at(-1) !== node || isTested(parent);
    if (type === 'VariableDeclarator') return isFlag(parent.id);
    if (type === 'AssignmentExpression')
      return operator === '=' && right === node && isFlag(left) && isTested(parent);
    if (type !== 'CallExpression' || callee === node) return false;
    const param = functions.get(callee.name)?.params[parent.arguments.indexOf(node)];
    return (
      !!param && owners.get(callee) === owners.get(functions.get(callee.name).id) && isFlag(param)
    );
  };
  /** @returns whether a place of a variable reads it. */
  const isRead = (node) => {
    const { type, left, operator, id, params, param } = parents.get(node);
    if (type === 'AssignmentExpression') return left !== node || operator !== '=';
    return id !== node && param !== node && !params?.includes(node);
  };
  let before;
  do {
    before = flags.size;
    for (const symbol of flags)
      if (symbol.places.some((place) => isRead(place) && !isTested(place))) flags.delete(symbol);
  } while (flags.size < before);

  const literals = nodesIn(
    ast,
    ({ operator, argument }) => operator === '!' && argument.type === 'Literal',
    true,
  );
  const edits = literals
    .filter(isTested)
    .map(({ start, end, argument }) => [start, end, argument.value ? '0' : '1']);
  return edited(code, edits);
}

function edited(code, edits) {
  return edits
    .sort(([a], [b]) => b - a)
    .reduce((text, [start, end, by]) => text.slice(0, start) + by + text.slice(end), code);
}
