//! State and `jit`: a counter that does not count, one that does, the recipe behind it, and side effects that are meant.
//!
//! `cargo run -p raxla-examples --example counter`. The same program in JAX is `tests/oracle/examples/counter.py`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use raxla::callback::IoCallbackOptions;
use raxla::{debug, io_callback_with, prelude::*};

fn main() -> Result<()> {
    hidden_state()?;
    explicit_state()?;
    general_strategy()?;
    printing()?;
    side_effect()
}

/// A counter with a hidden state: what object-oriented code would write.
#[derive(Default)]
struct Counter {
    n: AtomicI32,
}

impl Counter {
    fn count(&self) -> Array {
        Array::from(self.n.fetch_add(1, Relaxed) + 1)
    }
}

/// `jit` runs the function once, to see which operations it performs on arrays. Adding to an atomic is none of these: it
/// happens during that one run, its result is a constant of the compiled program, and every later call gives that constant.
fn hidden_state() -> Result<()> {
    let counter = Arc::new(Counter::default());
    let fast_count = jit(capture!([counter] || counter.count()));
    let mut values = Vec::new();
    for _ in 0..3 {
        values.push(fast_count()?.to_string());
    }
    println!("hidden state, jitted: {}", values.join(" "));
    println!("the hidden counter: {}", counter.n.load(Relaxed));
    Ok(())
}

/// The cure: the state is an argument, and the next state is a result. The first is the count to return, the second the
/// count to pass next time; here they are equal.
fn count(n: Array) -> (Array, Array) {
    (&n + 1, n + 1)
}

fn explicit_state() -> Result<()> {
    let fast_count = jit(count);
    let mut state = Array::from(0);
    let mut values = Vec::new();
    for _ in 0..3 {
        let value;
        // `count` takes its state by value, so the buffer of the old state is reused for the new one, and using
        // the old state after this line would not compile.
        (value, state) = fast_count(state)?;
        values.push(value.to_string());
    }
    println!("explicit state, jitted: {}", values.join(" "));
    let stats = fast_count.cache_stats();
    println!("traces: {} compiles: {}", stats.traces, stats.compiles);
    Ok(())
}

/// The recipe. A class with a method `(&mut self, arguments) -> value` becomes a tree that holds the state, and a function
/// `(state, arguments) -> (value, state)`.
#[derive(Pytree, Clone, Debug)]
struct Account {
    balance: Array,
    deposits: Array,
}

fn deposit(account: Account, amount: &Array) -> (Array, Account) {
    let balance = account.balance + amount;
    (balance.clone(), Account { balance, deposits: account.deposits + 1 })
}

fn general_strategy() -> Result<()> {
    let fast_deposit = jit(deposit);
    let mut account = Account { balance: Array::from(0.0), deposits: Array::from(0) };
    for amount in [10.0, 2.5, 0.25] {
        let balance;
        (balance, account) = fast_deposit(account, &Array::from(amount))?;
        println!("balance: {} deposits: {}", balance.item::<f32>()?, account.deposits);
    }
    Ok(())
}

/// Printing is a side effect too. `println!` prints while the function is traced: once, and the tracer. `debug::print!` becomes
/// part of the program, and prints the value each time that it runs.
fn printing() -> Result<()> {
    let double = jit(|x: &Array| {
        println!("traced with {x}");
        debug::print!(ordered: true, "called with {x}");
        x * 2.0
    });
    for x in [1f32, 2.0, 3.0] {
        double(&Array::scalar(x))?;
    }
    // Calls return before their work is done. Wait until all is printed.
    raxla::effects_barrier()
}

/// Where the world has to change whenever the program runs, the program says so: this hidden counter counts.
fn side_effect() -> Result<()> {
    let counter = Arc::new(Counter::default());
    let fast_count = jit({
        let counter = counter.clone();
        move || {
            let counter = counter.clone();
            let options = IoCallbackOptions::new().ordered(true);
            io_callback_with(move |(): ()| counter.count(), ((), DType::I32), &(), options)
        }
    });
    let mut values = Vec::new();
    for _ in 0..3 {
        values.push(fast_count()?.to_string());
    }
    println!("hidden state, by a callback: {}", values.join(" "));
    println!("the hidden counter: {}", counter.n.load(Relaxed));
    Ok(())
}
