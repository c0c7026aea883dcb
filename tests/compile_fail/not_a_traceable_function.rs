use raxla::Array;
use raxla::api::signature::{Fun, Traceable};

fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(f.into_flat())
}

fn scaled(x: &Array, factor: f32) -> Array {
    x.clone()
}

fn length(x: &Array) -> usize {
    3
}

fn main() {
    jit(scaled);
    jit(length);
    let shared = std::rc::Rc::new(1);
    jit(move |x: &Array| {
        let _ = &shared;
        x.clone()
    });
}
