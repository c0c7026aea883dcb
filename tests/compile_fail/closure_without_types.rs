use raxla::jit;

fn main() {
    jit(|x| x);
}
