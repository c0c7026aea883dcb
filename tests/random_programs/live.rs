//! What of a program counts: statements that its results need, results that depend on its parameters.

use std::ops::AddAssign;

use crate::program::{Block, Op, Stmt, Sub, Unary};

/// Which variables have derivatives by the marked parameters that are not zero whatever the values.
fn dependent(block: &Block, params: &[bool]) -> Vec<bool> {
    let mut found = params.to_vec();
    for stmt in &block.stmts {
        let args: Vec<bool> = stmt.args.iter().map(|i| found[*i]).collect();
        found.extend(through(stmt, &args));
    }
    found
}

fn results(sub: &Sub, args: &[bool]) -> Vec<bool> {
    let found = dependent(&sub.block, args);
    sub.block.outs.iter().map(|i| found[*i]).collect()
}

/// Which results of a block depend on which of its parameters: on any.
pub fn dependent_results(block: &Block) -> Vec<bool> {
    let params: Vec<bool> = block.params.iter().map(|shape| !shape.contains(&0)).collect();
    let found = dependent(block, &params);
    block.outs.iter().map(|i| found[*i]).collect()
}

/// Which results of a statement depend on what its marked arguments depend on.
pub fn through(stmt: &Stmt, a: &[bool]) -> Vec<bool> {
    let found = match &stmt.op {
        Op::Number(_) | Op::Unary(Unary::Step) | Op::Grad(_) => vec![false; stmt.outs.len()],
        Op::Elementwise(of) if of.flat => vec![false],
        Op::Binary(crate::program::Binary::Sub) => vec![(a[0] || a[1]) && stmt.args[0] != stmt.args[1]],
        Op::Select => vec![a[2] && a[3]],
        Op::DynamicSlice { .. } | Op::Take(_) | Op::TakeAlong(_) | Op::Rows => vec![a[0]],
        Op::DynamicUpdateSlice(_) | Op::AtLargest(_) => vec![a[1]],
        Op::SetRow => vec![a[0] && a[1]],
        Op::AddRows => vec![a[0]],
        Op::Jit(sub) | Op::Checkpoint(sub) | Op::Vmap { body: sub, .. } => results(sub, a),
        Op::CustomJvp(sub, _) | Op::CustomVjp(sub, _) => results(sub, a),
        Op::Jvp(sub) => {
            let n = sub.captured;
            let direction: Vec<bool> = (0..n).map(|_| false).chain([a[n + 1]]).collect();
            [results(sub, &a[..=n]), results(sub, &direction)].concat()
        }
        Op::Cond(subs) | Op::Switch(subs) => {
            let each: Vec<Vec<bool>> = subs.iter().map(|sub| results(sub, &a[1..])).collect();
            (0..stmt.outs.len()).map(|i| each.iter().all(|outs| outs[i])).collect()
        }
        Op::Scan { body, carry, length, .. } => {
            let (captured, rest) = a.split_at(body.captured);
            let (init, xs) = rest.split_at(*carry);
            let mut found = init.to_vec();
            found.resize(stmt.outs.len(), false);
            for _ in 0..*length {
                let next = results(body, &[captured, &found[..*carry], xs].concat());
                let ys = next[*carry..].iter().zip(&found[*carry..]).map(|(a, b)| *a || *b);
                found = next[..*carry].iter().copied().chain(ys).collect();
            }
            found
        }
        Op::Fori(body, turns) => turn(body, a, *turns).swap_remove(*turns),
        Op::While(body, Some(turns)) => turn(body, &a[1..], *turns).swap_remove(*turns),
        Op::While(body, None) => {
            let each = turn(body, &a[1..], 4);
            (0..stmt.outs.len()).map(|i| each.iter().all(|outs| outs[i])).collect()
        }
        _ => vec![a.contains(&true)],
    };
    found.into_iter().zip(&stmt.outs).map(|(found, shape)| found && !shape.contains(&0)).collect()
}

/// What is carried after no turn of a loop, after one, and so on.
fn turn(body: &Sub, args: &[bool], turns: usize) -> Vec<Vec<bool>> {
    let (captured, init) = args.split_at(body.captured);
    let mut each = vec![init.to_vec()];
    for i in 0..turns {
        each.push(results(body, &[captured, &each[i]].concat()));
    }
    each
}

/// The statements that some result needs.
pub fn live(block: &Block) -> Vec<&Stmt> {
    let mut needed = vec![false; block.shapes().len()];
    block.outs.iter().for_each(|i| needed[*i] = true);
    let (mut first, mut found) = (needed.len(), Vec::new());
    for stmt in block.stmts.iter().rev() {
        first -= stmt.outs.len();
        if needed[first..first + stmt.outs.len()].contains(&true) {
            stmt.args.iter().for_each(|i| needed[*i] = true);
            found.push(stmt);
        }
    }
    found
}

/// Is it worth being checked? Some result has a derivative, and some nested function is needed.
pub fn is_substantial(block: &Block) -> bool {
    let live = live(block);
    live.len() > 2
        && dependent_results(block).contains(&true)
        && live.iter().any(|stmt| !stmt.op.subs().is_empty())
}

/// What many programs have in them.
#[derive(Default)]
pub struct Statistics {
    programs: usize,
    substantial: usize,
    /// Statements of the programs themselves that count.
    live: usize,
    /// The same with those of nested functions.
    live_anywhere: usize,
    statements: usize,
    numbers: usize,
}

impl Statistics {
    pub fn of(block: &Block) -> Self {
        let (statements, numbers) = count(block);
        Statistics {
            programs: 1,
            substantial: is_substantial(block).into(),
            live: live(block).len(),
            live_anywhere: count_live(block),
            statements,
            numbers,
        }
    }

    /// Prints them; panics if the programs show too little.
    pub fn check(&self) {
        let Statistics { programs, substantial, live, live_anywhere, statements, numbers } = *self;
        if programs == 0 {
            return;
        }
        let each = |n: usize| n as f64 / programs as f64;
        println!(
            "{programs} programs: {substantial} with a derivative and a nested function; of {:.1} statements each {:.1} \
             are needed, {:.1} outside of nested functions; {numbers} of {statements} are plain numbers",
            each(statements),
            each(live_anywhere),
            each(live),
        );
        assert_eq!(substantial, programs, "programs without a derivative or a nested function");
        assert!(programs < 10 || 2 * live >= 7 * programs, "too few statements are needed");
        assert!(programs < 10 || numbers * 12 <= statements, "too many plain numbers");
    }
}

impl AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.programs += other.programs;
        self.substantial += other.substantial;
        self.live += other.live;
        self.live_anywhere += other.live_anywhere;
        self.statements += other.statements;
        self.numbers += other.numbers;
    }
}

/// The statements, nested ones too, and how many are numbers.
fn count(block: &Block) -> (usize, usize) {
    let subs = block.stmts.iter().flat_map(|stmt| stmt.op.subs());
    let numbers = block.stmts.iter().filter(|stmt| matches!(stmt.op, Op::Number(_))).count();
    subs.map(|sub| count(&sub.block))
        .fold((block.stmts.len(), numbers), |(n, m), (statements, numbers)| (n + statements, m + numbers))
}

fn count_live(block: &Block) -> usize {
    let count = |stmt: &&Stmt| 1 + stmt.op.subs().iter().map(|sub| count_live(&sub.block)).sum::<usize>();
    live(block).iter().map(count).sum()
}
