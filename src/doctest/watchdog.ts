import { Worker } from 'node:worker_threads';

/**
 * A loop that never yields keeps every timer of its thread from firing. A second thread therefore waits, and when the
 * time is up and the first one shows no sign of life, it breaks off whatever that executes, through the inspector, and
 * says where it was. `times` holds the deadline (0: none) and the last sign of life.
 */
const script = `
const { parentPort, workerData } = require('node:worker_threads');
const { Session } = require('node:inspector');
const times = new Float64Array(workerData.shared, 0, 2);
const text = new Uint8Array(workerData.shared, 16);
setInterval(() => {
  const now = Date.now();
  if (times[0] === 0 || now < times[0] || now < times[1] + 500) return;
  times[0] = 0;
  const session = new Session();
  session.connectToMainThread();
  session.on('Debugger.paused', ({ params }) => {
    const callFrameId = params.callFrames[0].callFrameId;
    session.post('Debugger.evaluateOnCallFrame', { callFrameId, expression: 'new Error().stack' }, (_, answer) => {
      new TextEncoder().encodeInto(String(answer?.result?.value ?? ''), text);
    });
    session.post('Runtime.terminateExecution');
    session.post('Debugger.resume');
    session.post('Debugger.disable', () => session.disconnect());
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}, 25);
parentPort.postMessage('ready');
`;

const key = Symbol.for('hidden-state.doctest.watchdog');
const holder = globalThis as { [key]?: Promise<SharedArrayBuffer> };

/** One a process: modules are reset between blocks, the thread stays. */
function start(): Promise<SharedArrayBuffer> {
  const shared = new SharedArrayBuffer(16 + 16_384);
  const worker = new Worker(script, { eval: true, workerData: { shared } });
  worker.unref();
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(shared));
    worker.once('error', reject);
  });
}

export interface Guard {
  /** The stack of the loop that was broken off, if one was. */
  interrupted(): string | undefined;
  stop(): void;
}

/** Breaks off what this thread executes if it has not called `stop` within `milliseconds`. */
export async function watchdog(milliseconds: number): Promise<Guard> {
  const shared = await (holder[key] ??= start());
  const times = new Float64Array(shared, 0, 2);
  const beat = () => {
    times[1] = Date.now();
  };
  const text = new Uint8Array(shared, 16);
  text.fill(0);
  beat();
  times[0] = times[1]! + milliseconds;
  const pulse = setInterval(beat, 50);
  return {
    interrupted: () => {
      const end = text.indexOf(0);
      return end === 0 ? undefined : new TextDecoder().decode(text.slice(0, end));
    },
    stop: () => {
      times[0] = 0;
      clearInterval(pulse);
    },
  };
}
