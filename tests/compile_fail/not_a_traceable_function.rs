use raxla::{Array, jit};

struct Config;

fn number(x: &Array, _factor: f32) -> Array {
    x.clone()
}
fn no_tree(_: &Config, x: Array) -> Array {
    x
}
fn length(_: &Array) -> usize {
    3
}
fn with_number(x: &Array) -> (Array, f32) {
    (x.clone(), 1.0)
}

fn main() {
    jit(number);
    jit(no_tree);
    jit(length);
    jit(with_number);
    jit(|x| x);
    jit(3);
}
