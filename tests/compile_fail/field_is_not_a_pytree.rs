use raxla::{Array, Pytree};

#[derive(Pytree)]
struct Params {
    weight: Array,
    rate: f32,
}

fn main() {}
