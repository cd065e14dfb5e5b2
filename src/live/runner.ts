import type { Report, RunRequest } from './protocol.ts';

/** How long a block may run, and how long a worker may take to start on a slow line. */
const budget = 5_000;
const starting = 30_000;

interface Started {
  worker: Worker;
  ready: Promise<void>;
}

let next: Started | undefined;

function start(): Started {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the engine did not load within 30 s: try again')), starting);
    worker.addEventListener('message', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
    worker.addEventListener('error', (event) => {
      clearTimeout(timer);
      reject(new Error(`the engine did not load: ${event.message || 'check the connection and try again'}`));
    }, { once: true });
  });
  ready.catch(() => {}); // Said when a run waits for it.
  return { worker, ready };
}

/** Starts the worker of the next run ahead of it. */
export function warm(): void {
  next ??= start();
}

/**
 * Runs a program in a worker of its own and passes on what it reports. Ends the worker with the run or at the budget,
 * so an endless loop costs the page nothing.
 */
export async function run(request: RunRequest, onReport: (report: Report) => void): Promise<void> {
  warm();
  const { worker, ready } = next!;
  next = undefined;
  try {
    await ready;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        const message = `the block did not end within ${budget / 1000} s: it was stopped. Is there an endless loop?`;
        onReport({ type: 'done', exports: [], errors: [{ name: 'Stopped', message }] });
        resolve();
      }, budget);
      worker.addEventListener('message', ({ data }: MessageEvent<Report>) => {
        onReport(data);
        if (data.type !== 'done') return;
        clearTimeout(timer);
        resolve();
      });
      worker.postMessage(request);
    });
  } catch (error) {
    onReport({ type: 'done', exports: [], errors: [{ name: 'Error', message: (error as Error).message }] });
  } finally {
    worker.terminate();
    warm();
  }
}
