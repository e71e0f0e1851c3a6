/** Why a script on a board has failed: memory that has ended looks like something else. */
import { BoardError, PortError } from './errors.ts';
import { MEMORY_FLAG, type MemoryAnswer } from './memory.ts';
import { checked, type Is, isNumber, isText, listOf } from './shapes.ts';

/** Whether it is what `ASK_MEMORY` returns. */
export const isMemoryAnswer: Is<MemoryAnswer> = (value): value is MemoryAnswer =>
  Array.isArray(value) && isNumber(value[0]) && isNumber(value[1]) && listOf(isText)(value[2]);

/** @returns whether it can be that this was thrown, or that nothing came, because memory had ended. */
function isUnclear(error: unknown): boolean {
  if (error instanceof PortError)
    return error.code === 'E_INTERRUPTED' || error.code === 'E_SILENT';
  return error instanceof BoardError && error.code === 'E_THROWN' && !('code' in error.facts);
}

/**
 * Finds out whether a script has failed because memory ended: what Espruino throws then, if it throws at all, tells nothing
 * of that. So the board is asked.
 * @param port - its name
 * @param error - what the script has failed by
 * @param heard - gives the line that told that memory has ended, if there was one
 * @param ask - runs `ASK_MEMORY`
 */
export async function outOfMemory(
  port: string,
  error: unknown,
  heard: () => string | undefined,
  ask: () => Promise<unknown>,
): Promise<BoardError<'E_MEMORY'> | undefined> {
  if (!isUnclear(error)) return undefined;
  const { message, line: printed } = (error as { facts: { message?: string; line?: string } })
    .facts;
  const line = heard() ?? message ?? printed;
  const isSure = heard() !== undefined;
  try {
    const [free, total, flags] = checked(port, await ask(), isMemoryAnswer);
    if (!isSure && !flags.includes(MEMORY_FLAG)) return undefined;
    return new BoardError('E_MEMORY', { port, line, memory: { free, total } });
  } catch {
    return isSure ? new BoardError('E_MEMORY', { port, line }) : undefined;
  }
}
