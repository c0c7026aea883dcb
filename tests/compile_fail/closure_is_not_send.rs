use std::rc::Rc;

use raxla::{Array, jit};

fn main() {
    let shared = Rc::new(1);
    jit(move |x: &Array| {
        let _ = &shared;
        x.clone()
    });
}
