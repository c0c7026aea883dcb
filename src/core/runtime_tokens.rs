//! Running programs that have effects: in order where order matters, and so that one can wait for them. JAX:
//! `dispatch.RuntimeTokenSet`, `jax.effects_barrier`.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};

use smallvec::SmallVec;

use crate::core::effects::{Effect, Effects};
use crate::core::lowering::Module;
use crate::core::sharding::{Sharding, Shards};
use crate::dtype::DType;
use crate::error::{Error, Result, bail};
use crate::pjrt::{Buffer, Event, Executable, HostCall, Outputs, at_exit, in_callback};

/// What there is to running a program besides its arguments.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The ordered ones, of which the program takes and gives tokens.
    ordered: Effects,
    /// Kept as long as the program, and as its runs.
    host_calls: Arc<[Arc<HostCall>]>,
}

/// The last token of an ordered effect: there when the program that gave it is done.
struct Token {
    buffer: Buffer,
    sharding: Sharding,
}

type Tokens = [Option<Token>; Effect::COUNT];

/// Of the whole process, not of a thread as in JAX: who calls a program after another thread's call has returned sees its
/// effects after those. Held while a program with ordered effects is enqueued.
static TOKENS: Mutex<Tokens> = Mutex::new([const { None }; Effect::COUNT]);

impl Launch {
    pub(crate) fn new(effects: Effects, module: &Module) -> Self {
        Launch { ordered: effects.ordered(), host_calls: module.host_calls.clone() }
    }

    /// How many tokens the program takes, and gives before its results.
    pub(crate) fn tokens(&self) -> usize {
        self.ordered.len()
    }

    /// Is the program run like any, since nothing has to be noted?
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.host_calls.is_empty()
    }

    /// Enqueues the program on its device.
    #[inline]
    pub(crate) fn run(
        &self,
        executable: &Executable,
        sharding: Sharding,
        args: &[&Buffer],
        non_donatable: &[i64],
    ) -> Result<Outputs> {
        if self.is_plain() {
            return executable.execute(args, non_donatable);
        }
        self.run_with_effects(executable, sharding, args, non_donatable)
    }

    /// Enqueues the program on all devices of a sharding: each argument is a list of its parts, and so is each result.
    pub(crate) fn run_sharded(
        &self,
        executable: &Executable,
        sharding: Sharding,
        args: &[&Shards],
        non_donatable: &[i64],
    ) -> Result<Vec<Shards>> {
        let devices = sharding.devices().len();
        if devices == 1 {
            let args: SmallVec<[&Buffer; 8]> = args.iter().map(|parts| &parts[0]).collect();
            let outs = self.run(executable, sharding, &args, non_donatable)?;
            return Ok(outs.into_iter().map(|out| Shards::from_buf([out])).collect());
        }
        if !self.ordered.is_empty() {
            bail!(Unimplemented, "an ordered effect of a program for several devices: {:?}", self.ordered);
        }
        let mut lists: Vec<Vec<&Buffer>> = vec![Vec::with_capacity(args.len()); devices];
        for parts in args {
            if parts.len() != devices {
                bail!(Internal, "an argument has {} parts, and the program {devices} devices", parts.len());
            }
            lists.iter_mut().zip(*parts).for_each(|(list, part)| list.push(part));
        }
        let outs = if self.is_plain() {
            executable.execute_sharded(&lists, non_donatable)?
        } else {
            let (outs, events) = executable.execute_sharded_and_notify(&lists, non_donatable)?;
            events.iter().try_for_each(|event| PENDING.add(event, self.host_calls.clone()))?;
            outs
        };
        let mut results: Vec<Shards> = (0..executable.output_count()).map(|_| Shards::new()).collect();
        for parts in outs {
            results.iter_mut().zip(parts).for_each(|(result, part)| result.push(part));
        }
        Ok(results)
    }

    fn run_with_effects(
        &self,
        executable: &Executable,
        sharding: Sharding,
        args: &[&Buffer],
        non_donatable: &[i64],
    ) -> Result<Outputs> {
        if self.ordered.is_empty() {
            let (outs, event) = executable.execute_and_notify(args, non_donatable)?;
            PENDING.add(&event, self.host_calls.clone())?;
            return Ok(outs);
        }
        // A program that a host call runs is part of the program that called it, whose token is not there before: it has an
        // order of its own.
        if in_callback() {
            let mut own = [const { None }; Effect::COUNT];
            let (outs, event) = self.enqueue(&mut own, executable, sharding, args, non_donatable)?;
            event.wait()?;
            return Ok(outs);
        }
        let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.enqueue(&mut tokens, executable, sharding, args, non_donatable)?.0)
    }

    /// Enqueues the program between the tokens that it takes and those that it gives.
    fn enqueue(
        &self,
        tokens: &mut Tokens,
        executable: &Executable,
        sharding: Sharding,
        args: &[&Buffer],
        non_donatable: &[i64],
    ) -> Result<(Outputs, Event)> {
        let n = self.ordered.len();
        for effect in self.ordered.iter() {
            let token = &mut tokens[effect as usize];
            if !token.as_ref().is_some_and(|token| token.leads_to(sharding)) {
                *token = Some(Token::first(sharding)?);
            }
        }
        let (mut outs, event) = {
            let inputs = self.ordered.iter().filter_map(|effect| tokens[effect as usize].as_ref());
            let mut all: SmallVec<[&Buffer; 8]> = inputs.map(|token| &token.buffer).collect();
            all.extend_from_slice(args);
            let non_donatable: SmallVec<[i64; 8]> = non_donatable.iter().map(|i| i + n as i64).collect();
            executable.execute_and_notify(&all, &non_donatable)?
        };
        for (effect, buffer) in self.ordered.iter().zip(outs.drain(..n)) {
            tokens[effect as usize] = Some(Token { buffer, sharding });
        }
        PENDING.add(&event, self.host_calls.clone())?;
        Ok((outs, event))
    }
}

impl Token {
    /// One that nothing comes before. Whatever has no elements will do: it is never read.
    fn first(sharding: Sharding) -> Result<Token> {
        let buffer = sharding.put(&[], DType::Bool, &[0])?.swap_remove(0);
        Ok(Token { buffer, sharding })
    }

    /// Can a program on the devices of `sharding` take it? If not, what it stands for has happened.
    fn leads_to(&self, sharding: Sharding) -> bool {
        // A program that failed gives its error to its own results, not to all programs from there on.
        let waits = self.sharding == sharding && !self.buffer.is_ready().unwrap_or(true);
        waits || (self.buffer.block_until_ready().is_ok() && self.sharding == sharding)
    }
}

/// Runs of programs with effects that are not done yet.
struct Pending {
    state: Mutex<State>,
    done: Condvar,
}

struct State {
    next: u64,
    running: BTreeSet<u64>,
    /// The first that failed since somebody asked.
    failed: Option<Error>,
}

static PENDING: Pending = Pending {
    state: Mutex::new(State { next: 0, running: BTreeSet::new(), failed: None }),
    done: Condvar::new(),
};

impl Pending {
    /// Notes a run, which keeps the functions that it calls alive.
    fn add(&'static self, event: &Event, host_calls: Arc<[Arc<HostCall>]>) -> Result<()> {
        static WAIT_AT_EXIT: Once = Once::new();
        WAIT_AT_EXIT.call_once(|| at_exit(wait_at_exit));
        let number = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.next += 1;
            let number = state.next;
            state.running.insert(number);
            number
        };
        let noted = event.on_ready(move |result| {
            drop(host_calls);
            self.finish(number, result);
        });
        if noted.is_err() {
            self.finish(number, event.wait());
        }
        noted
    }

    fn finish(&self, number: u64, result: Result<()>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.remove(&number);
        if let Err(e) = result {
            state.failed.get_or_insert(e);
        }
        drop(state);
        self.done.notify_all();
    }

    /// Waits for those that were begun by now; the first error since it was asked for last.
    fn wait(&self) -> Option<Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.next;
        while state.running.first().is_some_and(|first| *first <= last) {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take()
    }
}

/// Waits until the effects of all programs that were called before, by any thread, have happened: until everything is
/// printed. JAX: `jax.effects_barrier`.
///
/// A process that ends, by the return of `main` or by [`std::process::exit`], waits for them too.
///
/// ```
/// use raxla::prelude::*;
///
/// let f = jit(|x: &Array| {
///     raxla::debug::print!("x = {x}");
///     x * 2.0
/// });
/// f(&Array::from(1.5))?;
/// raxla::effects_barrier()?; // prints x = 1.5 before it returns
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// The first error since the last barrier of an effect whose call had returned by then; `InvalidArgument` if it is called by
/// a host call, which it would wait for.
#[track_caller]
pub fn effects_barrier() -> Result<()> {
    if in_callback() {
        bail!(
            InvalidArgument,
            "effects_barrier: called by the function of an effect, for which it would wait"
        );
    }
    match PENDING.wait() {
        None => Ok(()),
        Some(e) => Err(e.at(Location::caller())),
    }
}

fn wait_at_exit() {
    if let Some(e) = PENDING.wait() {
        tracing::error!(target: "raxla::effects", "an effect failed before the process ended: {e}");
    }
}
