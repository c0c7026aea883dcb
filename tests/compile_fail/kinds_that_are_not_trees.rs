use raxla::{Array, Pytree};

#[derive(Pytree)]
struct Borrowed<'a>(&'a Array);

#[derive(Pytree)]
enum Never {}

#[derive(Pytree)]
union Either {
    a: u32,
    b: f32,
}

fn main() {}
