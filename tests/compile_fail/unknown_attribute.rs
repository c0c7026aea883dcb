use raxla::{Array, Pytree};

#[derive(Pytree)]
struct Params {
    weight: Array,
    #[pytree(skip)]
    rate: f32,
}

#[derive(Pytree)]
#[pytree(static)]
struct Whole(Array);

#[derive(Pytree)]
enum Choice {
    #[pytree(static)]
    One(Array),
}

#[derive(Pytree)]
struct Twice(#[pytree(static, static)] usize);

fn main() {}
