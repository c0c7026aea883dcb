use raxla::Array;
use raxla::signature::{Fun, Traceable};

fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(f.into_flat())
}

fn scaled(x: &Array, _factor: f32) -> Array {
    x.clone()
}

fn length(_: &Array) -> usize {
    3
}

fn main() {
    jit(scaled);
    jit(length);
}
