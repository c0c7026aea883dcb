use raxla::{Array, Pytree};

struct Mode;

#[derive(Pytree)]
struct Params {
    weight: Array,
    #[pytree(static)]
    mode: Mode,
}

fn main() {}
