//! On an NVIDIA GPU, through the PyPI packages `jax-cuda13-pjrt` or `jax-cuda12-pjrt`. Where there is no GPU or no plugin the
//! tests print so and pass; `RAXLA_CUDA_PLUGIN=/path/to/xla_cuda_plugin.so` names it.
//!
//! Every other test can be run there too: `RAXLA_PLATFORMS=cuda cargo test --test suite transformations::`.

use std::io::Write;
use std::sync::OnceLock;

use raxla::config::{Precision, with_default_device, with_matmul_precision};
use raxla::pjrt::{Device, discovery};
use raxla::{device_put, lax, numpy as jnp, prelude::*, random};

/// The first GPU, or `None` after a line that says why there is none.
fn gpu() -> Option<Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    GPU.get_or_init(find_gpu).clone()
}

fn find_gpu() -> Option<Device> {
    let status = discovery::plugins().find(|plugin| plugin.platform == "cuda");
    let why = match status.map(|plugin| plugin.client) {
        Some(Ok(client)) => return Some(client.devices().swap_remove(0)),
        Some(Err(e)) => e.to_string(),
        None => "RAXLA_PLATFORMS does not name cuda".to_owned(),
    };
    // Straight to stderr: what is printed in a test that passes is shown to nobody.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    None
}

/// Runs `body` where arrays are made on the GPU, if there is one.
fn on_gpu(body: impl FnOnce(&Device) -> Result<()>) {
    if let Some(gpu) = gpu() {
        with_default_device(&gpu, || body(&gpu)).unwrap();
    }
}

#[track_caller]
fn assert_close(found: &Array, expected: &[f64], tolerance: f64) {
    let found = found.astype(DType::F32).to_vec::<f32>().unwrap();
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((f64::from(*a) - b).abs() <= tolerance * (1.0 + b.abs()), "{found:?}, expected {expected:?}");
    }
}

#[derive(Pytree, Clone, Debug)]
struct Params {
    weight: Array,
    bias: Array,
}

fn loss(params: &Params, x: &Array, y: &Array) -> Array {
    let pred = &params.weight * x + &params.bias;
    jnp::mean(jnp::square(pred - y), ..)
}

fn update(params: Params, x: &Array, y: &Array) -> Result<Params> {
    let grads = grad(loss)(&params, x, y)?;
    Ok(tree::map2(|p, g| p - g * 0.005, &params, &grads))
}

#[test]
fn the_tutorial_ends_where_it_ends_in_jax() {
    on_gpu(|gpu| {
        let rng = random::key(42);
        let [weights_key, bias_key] = random::split(&rng);
        let mut params =
            Params { weight: random::normal(&weights_key, ()), bias: random::normal(&bias_key, ()) };
        let [x_rng, noise_rng] = random::split(&rng);
        let xs = random::normal(&x_rng, [128, 1]);
        let ys = &xs * 2.0 - 1.0 + random::normal(&noise_rng, [128, 1]) * 0.5;
        let update = jit(update);
        for _ in 0..1000 {
            params = update(params, &xs, &ys)?;
        }
        assert_eq!(params.weight.device()?, *gpu);
        assert_close(&params.weight, &[1.972_279_071_807_861_3], 1e-6);
        assert_close(&params.bias, &[-1.033_139_705_657_959], 1e-6);
        assert_eq!((update.cache_stats().traces, update.cache_stats().compiles), (1, 1));
        Ok(())
    });
}

#[test]
fn random_bits_are_those_of_the_cpu() {
    on_gpu(|_| {
        let bits = random::bits(&random::key(42), [4]).to_vec::<u32>()?;
        assert_eq!(bits, [2098992034, 2919706841, 2646866425, 2409546199]);
        Ok(())
    });
}

#[test]
fn operations_of_each_kind_compile_and_agree_with_rusts_arithmetic() {
    on_gpu(|_| {
        let numbers = [0.25f64, 0.5, 0.75, 0.875];
        let x = Array::from(numbers.map(|x| x as f32));
        type Function = (fn(&Array) -> Array, fn(f64) -> f64);
        // Those that CHLO has and StableHLO has not are expanded by the plugin.
        let functions: [Function; 9] = [
            (lax::sin, f64::sin),
            (lax::tan, f64::tan),
            (lax::asin, f64::asin),
            (lax::acosh, |_| f64::NAN),
            (lax::sinh, f64::sinh),
            (lax::square, |x| x * x),
            (lax::expm1, f64::exp_m1),
            (|x| lax::erf(&lax::erf_inv(x)), |x| x),
            (|x| lax::exp(&(lax::lgamma(&(x + 1.0)) - lax::lgamma(x))), |x| x),
        ];
        for (f, expected) in functions {
            let expected = numbers.map(expected);
            if expected[0].is_nan() {
                assert!(f(&x).to_vec::<f32>()?.iter().all(|x| x.is_nan()));
            } else {
                assert_close(&f(&x), &expected, 1e-5);
            }
        }
        let a = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
        let product = with_matmul_precision(Precision::Highest, || jnp::matmul(&a, &a));
        assert_eq!(product.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
        let unsorted = Array::from([3.0f32, f32::NAN, -1.0, 2.0]);
        assert_eq!(jnp::sort(&unsorted, 0).to_vec::<f32>()?[..3], [-1.0, 2.0, 3.0]);
        let image = jnp::reshape(jnp::arange(9.0), [1, 1, 3, 3]);
        let kernel = jnp::ones([1, 1, 2, 2]);
        let convolved = lax::conv(&image, &kernel, [1, 1], lax::Padding::Valid);
        assert_close(&convolved, &[8.0, 12.0, 20.0, 24.0], 1e-6);
        let spectrum = lax::fft(&x.astype(DType::C64), lax::FftType::Fft, [4]);
        assert_close(&lax::real(&spectrum), &[2.375, -0.5, -0.375, -0.5], 1e-6);
        Ok(())
    });
}

#[test]
fn transformations_nest_and_loops_run() {
    on_gpu(|_| {
        let power =
            |x: &Array| -> Result<Array> { lax::fori_loop(0, 3, |_, y: Array| &y * 2.0, lax::sin(x)) };
        let xs = Array::from([0.0f32, 0.5, 1.0]);
        let slopes = jit(vmap(grad(power)))(&xs)?;
        assert_close(&slopes, &[0.0, 0.5, 1.0].map(|x: f64| 8.0 * x.cos()), 1e-5);
        let count = |n: &Array| lax::while_loop(|n: &Array| jnp::less(n, 10), |n: Array| n + 3, n.clone());
        assert_eq!(jit(count)(&Array::from(0))?.item::<i32>()?, 12);
        let pick = |x: &Array| {
            lax::cond(jnp::greater(jnp::sum(x, ..), 0.0), |x: Array| &x + 1.0, |x: Array| &x - 1.0, x.clone())
        };
        assert_eq!(jit(pick)(&xs)?.to_vec::<f32>()?, [1.0, 1.5, 2.0]);
        Ok(())
    });
}

#[test]
fn a_donated_buffer_is_used_again() {
    on_gpu(|gpu| {
        let double = jit(|x: Array| x * 2.0);
        let x = device_put(&jnp::ones([1 << 20]), gpu);
        let shared = x.clone();
        let y = double(x)?;
        assert!(!shared.is_deleted());
        assert_eq!(shared.to_vec::<f32>()?[..2], [1.0, 1.0]);
        // Sixteen times a buffer of four GiB, one after the other in the same place.
        let mut big = jnp::zeros([1 << 30]);
        let step = jit(|x: Array| x + 1.0);
        for _ in 0..16 {
            big = step(big)?;
        }
        assert_eq!(jnp::max(&big, ..).item::<f32>()?, 16.0);
        assert_eq!(y.to_vec::<f32>()?[..2], [2.0, 2.0]);
        Ok(())
    });
}
