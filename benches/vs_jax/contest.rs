//! The processes that take part, and the table.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Case, Failure};

type Outcome<T> = std::result::Result<T, Failure>;

/// All run in turn at least so often and so long: on a machine with other guests a best time takes luck.
const ROUNDS: usize = 12;
const TIME: Duration = Duration::from_secs(5);
/// A round of this length is so long that three are enough.
const LONG: Duration = Duration::from_millis(500);

/// A process that reads `case iterations` lines and answers with nanoseconds.
struct Rival {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Rival {
    fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| format!("{name}: {command:?}: {e}"))?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut rival = Rival { name, child, input, output };
        match rival.line()?.as_str() {
            "ready" => Ok(rival),
            said => {
                Err(format!("{name} did not start: {said:?}. JAX is jax==0.10.2 of RAXLA_BENCH_PYTHON")
                    .into())
            }
        }
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn run(&mut self, case: &str, iterations: u32) -> Outcome<Duration> {
        writeln!(self.input, "{case} {iterations}")?;
        let nanos = self.line()?.parse().map_err(|e| format!("{}, {case}: {e}", self.name))?;
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // It ends with its input; killing it is for the case that it hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn jax(plugin: Option<&Path>) -> Command {
    let mut command = Command::new(std::env::var("RAXLA_BENCH_PYTHON").unwrap_or_else(|_| "python3".into()));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/vs_jax/worker.py"));
    match plugin {
        Some(plugin) => command.env("JAX_PLATFORMS", "raxla_cpu").arg(plugin),
        None => command.env("JAX_PLATFORMS", "cpu"),
    };
    command
}

fn rivals() -> Outcome<Vec<Rival>> {
    let client = raxla::pjrt::discovery::default_client()?;
    let plugin = client.plugin();
    let mut rivals = vec![
        Rival::start("JAX", &mut jax(None))?,
        Rival::start("JAX on raxla's plugin", &mut jax(Some(plugin.path())))?,
    ];
    if let Some(tuned) = std::env::var_os("RAXLA_BENCH_TUNED") {
        let mut command = Command::new(std::env::current_exe()?);
        rivals.push(Rival::start("raxla, tuned", command.arg("--serve").env("RAXLA_CPU_PLUGIN", tuned))?);
    }
    Ok(rivals)
}

pub fn main(mut cases: Vec<Case>) -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let has = |flag: &str| args.iter().any(|a| a == flag);
    if has("--serve") {
        return serve(&mut cases);
    }
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    cases.retain(|case| wanted.is_empty() || wanted.iter().any(|w| case.name.contains(w.as_str())));
    if has("--alone") {
        return alone(&mut cases);
    }
    let table = compete(&mut cases, &mut rivals()?)?;
    if has("--write") {
        write_table(&table)?;
    }
    Ok(())
}

fn compete(cases: &mut [Case], rivals: &mut [Rival]) -> Outcome<String> {
    let tuned = rivals.len() > 2;
    let mut table = String::from("| µs | JAX | JAX on the same plugin | raxla | JAX / raxla |");
    table += if tuned { " raxla, tuned | JAX / tuned |" } else { "" };
    table += " goal |\n|---|---:|---:|---:|---:|";
    table += if tuned { "---:|---:|" } else { "" };
    table += "---:|\n";
    print!("{table}");
    for case in cases {
        // A round that is not counted, for compilation.
        let first = (case.run)(1)?;
        for rival in &mut *rivals {
            rival.run(case.name, 1)?;
        }
        let mut ours = f64::INFINITY;
        let mut theirs = vec![f64::INFINITY; rivals.len()];
        let rounds = if first > LONG { 3 } else { ROUNDS };
        let (mut done, start) = (0, Instant::now());
        while done < rounds || (rounds == ROUNDS && start.elapsed() < TIME) {
            done += 1;
            ours = ours.min(micros((case.run)(case.iterations)?, case.iterations));
            for (rival, best) in rivals.iter_mut().zip(&mut theirs) {
                *best = best.min(micros(rival.run(case.name, case.iterations)?, case.iterations));
            }
        }
        // Of compilation the same plugin's counts: another XLA compiles otherwise.
        let reference = if case.name.starts_with("compile") { theirs[1] } else { theirs[0] };
        let mut row = format!(
            "| {} | {:.1} | {:.1} | {ours:.1} | {:.1}x |",
            case.what,
            theirs[0],
            theirs[1],
            reference / ours
        );
        if tuned {
            row += &format!(" {:.1} | {:.1}x |", theirs[2], reference / theirs[2]);
        }
        row += &format!(" {:.1}x |\n", case.goal);
        print!("{row}");
        table += &row;
    }
    Ok(table)
}

/// Answers what another process asks, as `worker.py` does.
fn serve(cases: &mut [Case]) -> Outcome<()> {
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (name, iterations) = line.split_once(' ').ok_or("a line is a case and a number")?;
        let case = cases.iter_mut().find(|case| case.name == name).ok_or("no such case")?;
        println!("{}", (case.run)(iterations.parse()?)?.as_nanos());
    }
    Ok(())
}

fn micros(total: Duration, iterations: u32) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(iterations)
}

/// Runs each case for three seconds, and prints the best time and the mean.
fn alone(cases: &mut [Case]) -> Outcome<()> {
    for case in cases {
        (case.run)(1)?;
        let (start, mut best, mut total, mut rounds) = (Instant::now(), f64::INFINITY, 0.0, 0.0);
        while start.elapsed() < Duration::from_secs(3) {
            let time = micros((case.run)(case.iterations)?, case.iterations);
            (best, total, rounds) = (best.min(time), total + time, rounds + 1.0);
        }
        println!("{}: {best:.2} µs at best, {:.2} µs on average", case.what, total / rounds);
    }
    Ok(())
}

fn write_table(table: &str) -> Outcome<()> {
    let (begin, end) = ("<!-- bench:begin -->", "<!-- bench:end -->");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path)?;
    let (head, rest) = text.split_once(begin).ok_or("README.md has no bench:begin")?;
    let (_, tail) = rest.split_once(end).ok_or("README.md has no bench:end")?;
    std::fs::write(path, format!("{head}{begin}\n{table}{end}{tail}"))?;
    Ok(())
}
