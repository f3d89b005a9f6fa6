// The demo as a child process: the real binary, a private sshd as two nodes, three people with passwords drawn anew.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.INTERLOCK_BINARY ?? fileURLToPath(new URL("../../target/debug/interlock", import.meta.url));

/** Starts the demo; resolves once it tells its address and the three sign-ins. */
export async function startDemo() {
  const child = spawn(BINARY, ["demo", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const people = {};
  let url;
  let curl = "";
  const lines = createInterface({ input: child.stdout });
  await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the demo ended with code ${code}`)));
    lines.on("line", (line) => {
      url ??= /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
      const person = /^\s*(oncall|manager|admin)\s+(\S+)/.exec(line);
      if (person) people[person[1]] = person[2];
      curl += `${line}\n`;
      if (line.startsWith("Ctrl-C")) resolve();
    });
  });
  child.removeAllListeners("exit");
  const command = /curl -sS[\s\S]*?pagerduty-incident/.exec(curl)?.[0];
  const stop = () => new Promise((resolve) => { child.once("exit", resolve); child.kill("SIGTERM"); });
  return { url, people, command, stop };
}
