// Reads the words of a text, counts them, and writes what it found.
import * as std from "qjs:std";
import * as os from "qjs:os";

const text = std.loadFile("text.txt");
const count = new Map();
for (const word of text.toLowerCase().match(/\p{L}+/gu)) count.set(word, (count.get(word) ?? 0) + 1);
const sorted = [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));

os.mkdir("out");
for (const [word, n] of sorted) {
  const f = std.open(`out/${word}.txt`, "w");
  f.puts(`${word} ${n}\n`);
  f.close();
}
let total = 0;
for (const name of os.readdir("out")[0]) {
  if (name.endsWith(".txt")) total += Number(std.loadFile(`out/${name}`).split(" ")[1]);
}
os.rename(`out/${sorted[0][0]}.txt`, "most.txt");
os.remove(`out/${sorted[1][0]}.txt`);

// And some work of its own: the digits of e, and a sieve.
const digits = [];
for (let n = 0n, scale = 10n ** 320n, term = scale; term > 0n; term /= ++n) digits.push(term);
const e = digits.reduce((a, b) => a + b, 0n).toString().slice(0, 300);
const sieve = new Uint8Array(2_000_000);
let primes = 0;
for (let i = 2; i < sieve.length; i++) {
  if (sieve[i]) continue;
  primes++;
  for (let j = i * i; j < sieve.length; j += i) sieve[j] = 1;
}
const f = std.open("report.json", "w");
f.puts(JSON.stringify({ distinct: sorted.length, total, first: sorted[0], e, primes }));
f.close();
