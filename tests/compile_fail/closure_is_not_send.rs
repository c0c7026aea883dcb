use std::rc::Rc;

use raxla::Array;
use raxla::signature::{Fun, Traceable};

fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(f.into_flat())
}

fn main() {
    let shared = Rc::new(1);
    jit(move |x: &Array| {
        let _ = &shared;
        x.clone()
    });
}
