//! `models`: what Hugging Face's models give, of their files. Those are tests/oracle/pretrained.py's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::expect;
use raxla::models::{Gpt2, Llama, Pretrained, SamplingOptions, sample, sample_with};
use raxla::nn::{self, Mode};
use raxla::prelude::*;
use raxla::{Array, DType, ErrorKind, Result, io, lax, numpy as jnp, random};

use crate::mistakes::support::{at, check};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained").join(name)
}

fn tokens_and_logits(name: &str) -> (Array, Array) {
    let arrays = io::load_named(directory(name).join("logits.safetensors")).unwrap();
    (arrays["tokens"].clone(), arrays["logits"].clone())
}

fn close(ours: &Array, theirs: &Array) {
    assert_eq!(ours.shape(), theirs.shape());
    let (ours, theirs) = (ours.to_vec::<f32>().unwrap(), theirs.to_vec::<f32>().unwrap());
    let scale = theirs.iter().fold(0f32, |m, x| m.max(x.abs()));
    for (x, y) in ours.iter().zip(&theirs) {
        assert!((x - y).abs() <= 2e-5 * scale, "{x} and {y}, of at most {scale}");
    }
}

/// All tokens at once, and then one after the other with a cache, as far as `at_once` of them together first.
fn agrees<M: Pretrained + 'static>(name: &str) {
    let config = Arc::new(M::read(directory(name)).unwrap());
    let params = config.load(directory(name)).unwrap();
    let (tokens, theirs) = tokens_and_logits(name);
    let of = Arc::clone(&config);
    let logits = jit(move |params: &nn::Params, tokens: &Array| {
        nn::apply(params, Mode::eval(), |cx| of.logits(cx, tokens))
    });
    close(&logits(&params, &tokens).unwrap(), &theirs);

    let step = |cx: &nn::Scope, tokens: &Array| config.next_logits(cx, tokens, 12);
    let first = lax::slice_in_dim(&tokens, ..4, 1);
    let (_, mut state) = nn::init_with_state(&random::key(0), |cx| step(cx, &first)).unwrap();
    let mut logits = Vec::new();
    for (from, to) in [(0, 4), (4, 5), (5, 6), (6, 8), (8, 9)] {
        let part = lax::slice_in_dim(&tokens, from..to, 1);
        let y;
        (y, state) = nn::apply((&params, &state), Mode::eval(), |cx| step(cx, &part)).unwrap();
        logits.push(y);
    }
    close(&jnp::concatenate(&logits, 1), &theirs);
}

#[test]
fn gpt2_has_hugging_faces_logits() {
    agrees::<Gpt2>("gpt2");
    agrees::<Gpt2>("gpt2_that_writes");
}

#[test]
fn llama_has_hugging_faces_logits() {
    agrees::<Llama>("llama");
}

#[test]
fn a_llama_in_several_files_whose_heads_share_keys_has_hugging_faces_logits() {
    agrees::<Llama>("llama_grouped");
}

/// A file with the arrays of one of the fixtures, changed.
fn changed(test: &str, change: impl FnOnce(&mut BTreeMap<String, Array>)) -> PathBuf {
    let mut arrays = io::load_named(directory("gpt2").join("model.safetensors")).unwrap();
    change(&mut arrays);
    let path = std::env::temp_dir().join(format!("raxla-{test}-{}.safetensors", std::process::id()));
    io::save(&path, &arrays).unwrap();
    path
}

#[test]
fn names_with_and_without_a_prefix_masks_and_other_dtypes_are_read() {
    let config = Gpt2::read(directory("gpt2")).unwrap();
    let path = changed("other-names", |arrays| {
        *arrays = std::mem::take(arrays)
            .into_iter()
            .map(|(name, x)| {
                (name["transformer.".len()..].to_owned(), lax::convert_element_type(&x, DType::F64))
            })
            .collect();
        arrays.insert("h.0.attn.bias".into(), jnp::ones([1, 1, 16, 16]));
        arrays.insert("lm_head.weight".into(), arrays["wte.weight"].clone());
    });
    let other = config.load(&path);
    fs::remove_file(path).unwrap();
    let (ours, other) = (config.load(directory("gpt2")).unwrap(), other.unwrap());
    assert_eq!(ours.len(), other.len());
    for ((path, x), (other, y)) in ours.iter().zip(other.iter()) {
        assert_eq!((path, x.to_bytes().unwrap()), (other, y.to_bytes().unwrap()));
    }
}

#[test]
fn what_a_file_lacks_has_more_or_has_otherwise_is_said_by_its_names() {
    let config = Gpt2::read(directory("gpt2")).unwrap();
    let path = changed("mistaken", |arrays| {
        arrays.remove("transformer.h.1.ln_2.bias");
        arrays.insert("transformer.extra".into(), jnp::ones([2]));
        let turned = lax::transpose(&arrays["transformer.h.0.mlp.c_fc.weight"], (1, 0));
        arrays.insert("transformer.h.0.mlp.c_fc.weight".into(), turned);
    });
    let got: Result<_> = config.load(&path);
    fs::remove_file(&path).unwrap();
    let error = got.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
    let message = error.message().replace(&path.display().to_string(), "FILE");
    expect!["FILE: h.0.mlp.c_fc.weight is f32[20,12], for h_0/c_fc/kernel f32[12,20]; h.1.ln_2.bias is missing; extra is unexpected"].assert_eq(&message);
}

#[test]
fn a_configuration_of_something_else_is_refused() {
    let is = |text: &str, kind: ErrorKind, message: expect_test::Expect| {
        let (line, error) = (line!(), Gpt2::from_json(text).unwrap_err());
        assert_eq!((error.kind(), error.location().map(|l| l.line())), (kind, Some(line)));
        message.assert_eq(error.message());
    };
    is(
        "{",
        ErrorKind::Io,
        expect!["the configuration is no JSON: EOF while parsing an object at line 1 column 1"],
    );
    is("[1]", ErrorKind::InvalidArgument, expect!["gpt2: the configuration is no object: [1]"]);
    is(
        r#"{"model_type": "llama"}"#,
        ErrorKind::InvalidArgument,
        expect!["gpt2: the configuration is of a llama"],
    );
    is(
        r#"{"n_embd": "many"}"#,
        ErrorKind::InvalidArgument,
        expect![[r#"gpt2: n_embd is a size, got "many""#]],
    );
    is(
        r#"{"activation_function": "relu"}"#,
        ErrorKind::Unimplemented,
        expect!["gpt2: the activation function is gelu_new, got relu"],
    );
    let scaled = Llama::from_json(r#"{"rope_scaling": {"factor": 8}}"#).unwrap_err();
    expect![[r#"llama: rope_scaling is null alone, got {"factor":8}"#]].assert_eq(scaled.message());
}

#[test]
fn too_many_tokens_are_refused() {
    let config = Gpt2::read(directory("gpt2")).unwrap();
    let params = config.load(directory("gpt2")).unwrap();
    let tokens = jnp::zeros(([1, 17], DType::I32));
    check(
        at!(nn::apply(&params, Mode::eval(), |cx| config.logits(cx, &tokens))),
        ErrorKind::Shape,
        expect!["gpt2: there are 16 positions, got 17"],
    );
}

#[test]
fn draws_are_of_the_likeliest_as_often_as_their_probability_says() {
    let logits = jnp::log(Array::from([0.1f32, 0.4, 0.2, 0.3]));
    let shares = |options: SamplingOptions| -> Vec<f32> {
        let many = jnp::broadcast_to(&logits, [20_000, 4]);
        let draw = jit(move |many: &Array| sample_with(&random::key(3), many, options.clone()));
        let drawn = draw(&many).unwrap().to_vec::<i32>().unwrap();
        (0..4).map(|i| drawn.iter().filter(|x| **x == i).count() as f32 / 20_000.0).collect()
    };
    let near = |got: Vec<f32>, wanted: [f32; 4]| {
        for (x, y) in got.iter().zip(wanted) {
            assert!((x - y).abs() < 0.012 && (y > 0.0 || *x == 0.0), "{got:?} and {wanted:?}");
        }
    };
    let new = SamplingOptions::new;
    near(shares(new()), [0.1, 0.4, 0.2, 0.3]);
    near(shares(new().top_k(2)), [0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
    near(shares(new().top_p(0.65)), [0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
    near(shares(new().top_p(0.8).temperature(0.5)), [0.0, 0.64, 0.0, 0.36]);
    near(shares(new().temperature(0.0)), [0.0, 1.0, 0.0, 0.0]);
    let one = sample(&random::key(3), &logits);
    assert_eq!(one.dtype(), DType::I32);
    assert!(one.shape().is_empty());
}

#[test]
fn mistakes_in_sampling_are_errors() {
    let x = jnp::ones([2, 3]);
    let new = SamplingOptions::new;
    let run = |options| raxla::try_(|| sample_with(&random::key(0), &x, options));
    for (options, message) in [
        (new().temperature(-1.0), "sample: temperature is at least 0, got -1"),
        (new().top_k(4), "sample: top_k is from 1 to 3, got 4"),
        (new().top_p(0.0), "sample: top_p is above 0 and at most 1, got 0"),
    ] {
        assert_eq!(run(options).unwrap_err().message(), message);
    }
}
