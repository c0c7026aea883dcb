//! Smaller programs that fail in the same way.

use crate::program::{Block, Op, Stmt, Sub};

/// The smallest program found for which `fails` holds still.
pub fn shrink(mut block: Block, fails: &dyn Fn(&Block) -> bool) -> Block {
    let mut budget = 400;
    'again: loop {
        for candidate in candidates(&block) {
            if budget == 0 {
                return block;
            }
            budget -= 1;
            if fails(&candidate) {
                block = candidate;
                continue 'again;
            }
        }
        return block;
    }
}

/// Programs that are a step smaller, the smallest first.
fn candidates(block: &Block) -> Vec<Block> {
    let mut found = Vec::new();
    if block.outs.len() > 1 {
        for i in 0..block.outs.len() {
            found.push(dce(Block { outs: vec![block.outs[i]], ..block.clone() }));
        }
    }
    found.extend(same_type(block));
    found
}

/// Smaller blocks with the same parameters and results.
fn same_type(block: &Block) -> Vec<Block> {
    let mut found = Vec::new();
    let shapes = block.shapes();
    let mut first = shapes.len();
    for (at, stmt) in block.stmts.iter().enumerate().rev() {
        first -= stmt.outs.len();
        // Each result is replaced by an older variable of its shape, or by a number.
        let older = |i: usize| (0..first).find(|j| shapes[*j] == shapes[i]);
        let results = first..first + stmt.outs.len();
        if results.clone().all(|i| older(i).is_some()) {
            let rename = |i: &usize| if results.contains(i) { older(*i).unwrap_or(*i) } else { *i };
            let mut smaller = block.clone();
            smaller.outs = smaller.outs.iter().map(rename).collect();
            for s in &mut smaller.stmts[at + 1..] {
                s.args = s.args.iter().map(rename).collect();
            }
            found.push(dce(smaller));
        }
        if let [shape] = stmt.outs.as_slice()
            && shape.is_empty()
            && !matches!(stmt.op, Op::Number(_))
        {
            let mut smaller = block.clone();
            smaller.stmts[at] = Stmt { op: Op::Number(0.5), args: vec![], outs: vec![vec![]] };
            found.push(dce(smaller));
        }
        let subs = stmt.op.subs();
        for (i, sub) in subs.iter().enumerate() {
            for inner in same_type(&sub.block) {
                let mut all: Vec<Sub> = subs.iter().map(|s| (*s).clone()).collect();
                all[i] = Sub::new(inner, sub.captured);
                let mut smaller = block.clone();
                smaller.stmts[at].op = stmt.op.with_subs(all);
                found.push(smaller);
            }
        }
    }
    found
}

/// Without the statements that no result needs.
fn dce(mut block: Block) -> Block {
    let mut first = block.shapes().len();
    for at in (0..block.stmts.len()).rev() {
        let count = block.stmts[at].outs.len();
        first -= count;
        let results = first..first + count;
        let used = block.outs.iter().chain(block.stmts[at + 1..].iter().flat_map(|s| &s.args));
        if used.clone().any(|i| results.contains(i)) {
            continue;
        }
        block.stmts.remove(at);
        let rename = |i: &mut usize| {
            if *i >= first + count {
                *i -= count;
            }
        };
        block.outs.iter_mut().for_each(rename);
        block.stmts[at..].iter_mut().flat_map(|s| &mut s.args).for_each(rename);
    }
    block
}
