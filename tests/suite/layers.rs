//! The layers of `nn`: values, state and gradients are Flax's (`tests/oracle/flax_layers.py`), and so are names and shapes of what they
//! ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::quickly;
use raxla::lax::Padding;
use raxla::nn::{self, *};
use raxla::numpy as jnp;
use raxla::prelude::*;
use serde_json::Value;

type Layer = Arc<dyn Fn(&Scope, &[Array]) -> Vec<Array> + Send + Sync>;

fn one<R: Into<Array>>(f: impl Fn(&Scope, &Array) -> R + Send + Sync + 'static) -> Layer {
    Arc::new(move |cx, xs| vec![f(cx, &xs[0]).into()])
}

fn many(f: impl Fn(&Scope, &[Array]) -> Vec<Array> + Send + Sync + 'static) -> Layer {
    Arc::new(f)
}

/// The layers, by the names of Flax's cases.
fn layers() -> BTreeMap<&'static str, Layer> {
    let mut table: Vec<(&'static str, Layer)> = Vec::new();
    let mut add = |name, layer| table.push((name, layer));
    linear_layers(&mut add);
    convolutions(&mut add);
    norms(&mut add);
    pools(&mut add);
    attentions(&mut add);
    recurrent(&mut add);
    table.into_iter().collect()
}

type Add<'a> = &'a mut dyn FnMut(&'static str, Layer);

fn linear_layers(add: Add<'_>) {
    add("linear", one(|cx, x| linear(cx, x, 4)));
    add(
        "linear of a batch without a bias",
        one(|cx, x| linear_with(cx, x, 4, LinearOptions::new().use_bias(false))),
    );
    let general = LinearGeneralOptions::new;
    add("linear_general", one(|cx, x| linear_general(cx, x, (4, 5))));
    add(
        "linear_general of two axes",
        one(move |cx, x| linear_general_with(cx, x, 4, general().axis((-2, -1)))),
    );
    add(
        "linear_general of axes apart",
        one(move |cx, x| linear_general_with(cx, x, (2, 3), general().axis((1, -1)))),
    );
    add(
        "linear_general with a batch",
        one(move |cx, x| linear_general_with(cx, x, 4, general().batch_dims(0))),
    );
    let mut sums = |name, shape: &'static [usize], einsum_str| {
        add(name, one(move |cx, x| einsum(cx, x, shape, einsum_str)));
    };
    sums("einsum", &[5, 6, 7], "abc,cde->abde");
    sums("einsum in another order", &[3, 4, 5], "ab,bcd->dac");
    sums("einsum with an ellipsis", &[3, 4], "...a,ab->b...");
    sums("einsum of batches", &[2, 3, 4], "...a,...ab->...b");
    let plain = EinsumLayerOptions::new().use_bias(false);
    add("einsum without a bias", one(move |cx, x| einsum_with(cx, x, (3, 4), "ab, bc -> ac", plain.clone())));
    add("embed", one(|cx, x| embed(cx, x, 7, 4)));
    add("attend", one(|cx, x| attend(cx, jnp::tanh(embed(cx, x, 7, 4)), 7)));
}

fn convolutions(add: Add<'_>) {
    use ConvPadding::*;
    let o = ConvLayerOptions::new;
    add("conv 1d", one(|cx, x| conv(cx, x, 4, 3)));
    add("conv 2d", one(|cx, x| conv(cx, x, 4, (3, 3))));
    add("conv 3d", one(|cx, x| conv(cx, x, 2, (2, 2, 3))));
    let mut with = |name, features, window: &'static [usize], options: ConvLayerOptions| {
        add(name, one(move |cx, x| conv_with(cx, x, features, window, options.clone())));
    };
    with("conv with strides, valid", 4, &[3, 2], o().strides((2, 1)).padding(Padding::Valid));
    with("conv with one stride and pads", 4, &[3, 3], o().strides(2).padding([(1, 2), (0, 1)]));
    with("conv dilated", 4, &[3, 3], o().kernel_dilation(2));
    with("conv of a dilated input", 4, &[3], o().input_dilation(2).padding([(1, 1)]));
    with("conv grouped", 6, &[3, 3], o().feature_group_count(3).use_bias(false));
    with("conv causal", 4, &[3], o().padding(Causal));
    with("conv causal and dilated", 4, &[3], o().padding(Causal).kernel_dilation(2));
    with("conv circular", 4, &[3, 4], o().padding(Circular));
    with("conv reflected", 4, &[3, 4], o().padding(Reflect));
    with("conv of one example", 4, &[3, 3], o());
    with("conv of a batch of batches", 4, &[3], o());
    let o = ConvTransposeLayerOptions::new;
    let mut with = |name, window: &'static [usize], options: ConvTransposeLayerOptions| {
        add(name, one(move |cx, x| conv_transpose_with(cx, x, 4, window, options.clone())));
    };
    with("conv_transpose", &[3, 3], o().strides(2));
    with("conv_transpose, valid", &[3, 2], o().strides((2, 3)).padding(Padding::Valid));
    with("conv_transpose, transposed kernel", &[4], o().strides(2).transpose_kernel(true));
    with("conv_transpose dilated", &[3], o().kernel_dilation(2).use_bias(false));
    with("conv_transpose circular", &[3, 3], o().strides((2, 1)).padding(Circular));
    let circular = o().strides(2).padding(Circular).transpose_kernel(true);
    with("conv_transpose circular, transposed kernel", &[4], circular);
}

fn norms(add: Add<'_>) {
    add("layer_norm", one(|cx, x| layer_norm(cx, x)));
    let o = LayerNormOptions::new;
    let slow = o().reduction_axes((-2, -1)).feature_axes((-2, -1)).use_bias(false).use_fast_variance(false);
    add(
        "layer_norm over two axes, slow variance, without a bias",
        one(move |cx, x| layer_norm_with(cx, x, slow.clone())),
    );
    let other = o().reduction_axes((1, 2)).epsilon(1e-3);
    add("layer_norm with other features", one(move |cx, x| layer_norm_with(cx, x, other.clone())));
    add("rms_norm", one(|cx, x| rms_norm(cx, x)));
    let bare = RmsNormOptions::new().use_scale(false).epsilon(1e-2);
    add("rms_norm without a scale", one(move |cx, x| rms_norm_with(cx, x, bare.clone())));
    let o = GroupNormOptions::new;
    add("group_norm", one(|cx, x| group_norm(cx, x, 2)));
    add(
        "group_norm by size",
        one(move |cx, x| group_norm_with(cx, x, 32, o().group_size(2).use_scale(false))),
    );
    add("group_norm over some axes", one(move |cx, x| group_norm_with(cx, x, 3, o().reduction_axes((2, 3)))));
    add("instance_norm", one(|cx, x| instance_norm(cx, x)));
    let before = InstanceNormOptions::new().feature_axes(1);
    add("instance_norm with features before", one(move |cx, x| instance_norm_with(cx, x, before.clone())));
    let o = BatchNormOptions::new;
    let mut with = |names: [&'static str; 2], layer: Layer| {
        names.into_iter().for_each(|name| add(name, layer.clone()));
    };
    with(["batch_norm, training", "batch_norm, evaluating"], one(|cx, x| batch_norm(cx, x)));
    let images = o().momentum(0.9).epsilon(1e-3);
    with(
        ["batch_norm of images, training", "batch_norm of images, evaluating"],
        one(move |cx, x| batch_norm_with(cx, x, images.clone())),
    );
    let before = o().axis(1).use_bias(false).use_fast_variance(false);
    with(
        ["batch_norm with features before, training", "batch_norm with features before, evaluating"],
        one(move |cx, x| batch_norm_with(cx, x, before.clone())),
    );
    with(
        ["spectral_norm, training", "spectral_norm, evaluating"],
        one(|cx, x| spectral_norm(cx, |cx| linear(cx, x, 4))),
    );
    let steps = SpectralNormOptions::new().n_steps(3);
    with(
        ["spectral_norm of a convolution, training", "spectral_norm of a convolution, evaluating"],
        one(move |cx, x| spectral_norm_with(cx, |cx| conv(cx, x, 4, (2, 3)), steps.clone())),
    );
    let o = WeightNormOptions::new;
    add("weight_norm", one(|cx, x| weight_norm(cx, |cx| linear(cx, x, 4))));
    add(
        "weight_norm of a convolution, without a scale",
        one(move |cx, x| weight_norm_with(cx, |cx| conv(cx, x, 4, 3), o().use_scale(false))),
    );
    add(
        "weight_norm over all axes",
        one(move |cx, x| weight_norm_with(cx, |cx| linear(cx, x, 4), o().feature_axes(()))),
    );
}

fn pools(add: Add<'_>) {
    let o = PoolOptions::new;
    add("max_pool", one(move |_, x| max_pool_with(x, (2, 2), o().strides(2))));
    let same = o().strides((2, 1)).padding(Padding::Same);
    add("max_pool, same, one example", one(move |_, x| max_pool_with(x, (3, 2), same.clone())));
    add("min_pool", one(|_, x| min_pool(x, 2)));
    let o = AvgPoolOptions::new;
    add("avg_pool", one(move |_, x| avg_pool_with(x, (2, 3), o().strides(2))));
    add("avg_pool, same", one(move |_, x| avg_pool_with(x, (3, 3), o().padding(Padding::Same))));
    let bare = o().strides(2).padding(Padding::Same).count_include_pad(false);
    add("avg_pool, same, without pads", one(move |_, x| avg_pool_with(x, 3, bare.clone())));
}

fn attentions(add: Add<'_>) {
    let o = MultiHeadAttentionOptions::new;
    add("attention", one(|cx, x| multi_head_attention(cx, x, 2)));
    let across = move |cx: &Scope, xs: &[Array]| {
        let options = o().inputs_k(&xs[1]).qkv_features(6).out_features(5);
        vec![multi_head_attention_with(cx, &xs[0], 2, options)]
    };
    add("attention across", many(across));
    let apart = move |cx: &Scope, xs: &[Array]| {
        let options = o().inputs_k(&xs[1]).inputs_v(&xs[2]).use_bias(false);
        vec![multi_head_attention_with(cx, &xs[0], 2, options)]
    };
    add("attention across, key and value apart", many(apart));
    let mut with = |name, options: MultiHeadAttentionOptions| {
        add(name, one(move |cx, x| multi_head_attention_with(cx, x, 2, options.clone())));
    };
    with("attention, causal", o().is_causal(true));
    with("attention, normalised", o().normalize_qk(true));
    with("attention of a batch of batches", o());
    add(
        "attention, decoding",
        one(move |cx, x| multi_head_attention_with(&cx.at("attention"), x, 2, o().cache_length(5))),
    );
}

fn recurrent(add: Add<'_>) {
    let lstm = |cx: &Scope, xs: &[Array]| {
        let ((c, h), y) = lstm_cell(cx, (xs[0].clone(), xs[1].clone()), xs[2].clone());
        vec![c, h, y]
    };
    let pair = |(h, y): (Array, Array)| vec![h, y];
    let three = |((c, h), y): ((Array, Array), Array)| vec![c, h, y];
    add("simple_cell", many(move |cx, xs| pair(simple_cell(cx, xs[0].clone(), xs[1].clone()))));
    let residual = SimpleCellOptions::new().residual(true);
    add(
        "simple_cell, residual",
        many(move |cx, xs| pair(simple_cell_with(cx, xs[0].clone(), xs[1].clone(), residual.clone()))),
    );
    add("gru_cell", many(move |cx, xs| pair(gru_cell(cx, xs[0].clone(), xs[1].clone()))));
    add("lstm_cell", many(lstm));
    add("optimized lstm_cell", many(lstm));
    let carry = |xs: &[Array]| (xs[0].clone(), xs[1].clone());
    add("conv_lstm_cell", many(move |cx, xs| three(conv_lstm_cell(cx, carry(xs), xs[2].clone(), (3, 3)))));
    let circular = ConvLstmCellOptions::new().padding(ConvPadding::Circular).use_bias(false);
    add(
        "conv_lstm_cell of one axis, circular, without biases",
        many(move |cx, xs| three(conv_lstm_cell_with(cx, carry(xs), xs[2].clone(), 3, circular.clone()))),
    );
    add("rnn of simple cells", one(|cx, x| rnn(cx, x, 4, simple_cell).1));
    add("rnn of gru cells, with its carry", many(move |cx, xs| pair(rnn(cx, &xs[0], 4, gru_cell))));
    add("rnn of lstm cells, with its carry", many(move |cx, xs| three(rnn(cx, &xs[0], 4, lstm_cell))));
    let o = RnnOptions::new;
    add("rnn in reverse", one(move |cx, x| rnn_with(cx, x, 4, gru_cell, o().reverse(true)).1));
    let lengths = || Array::from([3, 5, 1]);
    let of_rows = |cx: &Scope, carry, x| conv_lstm_cell(cx, carry, x, 3);
    add(
        "rnn of conv_lstm cells, with its carry",
        many(move |cx, xs| three(rnn_with(cx, &xs[0], 2, of_rows, o().num_feature_axes(2)))),
    );
    let of_pictures = |cx: &Scope, carry, x| conv_lstm_cell(cx, carry, x, (2, 2));
    let ragged = move || o().num_feature_axes(3).seq_lengths(lengths());
    add(
        "rnn of conv_lstm cells, of several lengths",
        many(move |cx, xs| three(rnn_with(cx, &xs[0], 2, of_pictures, ragged()))),
    );
    add(
        "rnn of sequences of several lengths",
        many(move |cx, xs| three(rnn_with(cx, &xs[0], 4, lstm_cell, o().seq_lengths(lengths())))),
    );
    add(
        "rnn in reverse of several lengths",
        many(move |cx, xs| pair(rnn_with(cx, &xs[0], 4, gru_cell, o().seq_lengths(lengths()).reverse(true)))),
    );
    add(
        "rnn, time first, from a carry",
        many(move |cx, xs| vec![rnn_with(cx, &xs[0], &xs[1], simple_cell, o().time_major(true)).1]),
    );
    add("bidirectional", one(|cx, x| bidirectional(cx, x, 4, gru_cell).1));
    add(
        "bidirectional of several lengths",
        one(move |cx, x| bidirectional_with(cx, x, 4, lstm_cell, o().seq_lengths(lengths())).1),
    );
}

fn array(value: &Value) -> Array {
    let shape: Vec<usize> =
        value["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data = value["data"].as_array().unwrap().iter();
    let flat = match value["dtype"].as_str().unwrap() {
        "int32" => Array::from(&data.map(|x| x.as_i64().unwrap() as i32).collect::<Vec<i32>>()[..]),
        _ => Array::from(&data.map(|x| x.as_f64().unwrap() as f32).collect::<Vec<f32>>()[..]),
    };
    jnp::reshape(flat, shape)
}

fn list(value: &Value) -> Vec<Array> {
    value.as_array().unwrap().iter().map(array).collect()
}

fn named(value: &Value) -> NamedTree {
    let mut tree = NamedTree::default();
    value.as_object().unwrap().iter().for_each(|(path, x)| tree.set(path, array(x)).unwrap());
    tree
}

/// One number for each element of `y`, the same as in Flax's programs.
fn weights(y: &Array) -> Array {
    let whole = (0..y.size()).map(|i| ((i * 7) % 11) as f32 / 2.0 - 2.0);
    jnp::reshape(Array::from(&whole.collect::<Vec<f32>>()[..]), y.shape())
}

/// Where `found` is another than `expected`, by more than this share of the largest element, or of 1: the gradient of the keys' bias
/// in attention is zero, but for rounding of what adds up to it.
pub fn differs(found: &Array, expected: &Array, share: f32) -> Option<String> {
    if found.shape() != expected.shape() {
        return Some(format!("{} instead of {}", found.aval(), expected.aval()));
    }
    let [a, b] = [found, expected].map(|x| x.astype(DType::F32).to_vec::<f32>().unwrap());
    let scale = b.iter().fold(0f32, |most, x| most.max(x.abs()));
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs() / scale.max(1.0)).fold(0f32, f32::max);
    (worst > share || a.iter().any(|x| x.is_nan())).then(|| format!("differs by {worst:e}"))
}

type Run = (Vec<Array>, NamedTree, Params, Vec<Array>);

/// Outputs, new state, gradients with respect to parameters and to inputs that are floats.
fn run(layer: &Layer, mode: &Mode, variables: (Params, State), xs: Vec<Array>, again: bool) -> Result<Run> {
    let (floats, ints): (Vec<Array>, Vec<Array>) = xs.into_iter().partition(|x| x.dtype().is_float());
    let (layer, mode, state) = (layer.clone(), mode.clone(), variables.1);
    let loss = move |params: &Params, floats: &Vec<Array>| {
        let xs: Vec<Array> = floats.iter().chain(&ints).cloned().collect();
        let f = |cx: &Scope| match again {
            true => nn::remat(cx, &xs, |cx: &Scope, xs: &Vec<Array>| layer(cx, xs)),
            false => layer(cx, &xs),
        };
        let (out, state) = nn::apply((params, &state), mode.clone(), f)?;
        let terms = out.iter().map(|y| jnp::sum(y * weights(y), ..));
        Ok((terms.fold(Array::from(0f32), |sum, term| sum + term), (out, (*state).clone())))
    };
    let (dparams, (dinputs, (out, state))) = {
        let both = value_and_grad_with(loss, GradOptions::argnums((Argnum::<0>, Argnum::<1>)).has_aux());
        let ((_, aux), (dparams, dinputs)) = both(&variables.0, &floats)?;
        (dparams, (dinputs, aux))
    };
    Ok((out, state, dparams, dinputs))
}

fn check(case: &Value, found: &Run, share: f32) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String, differs: Option<String>| {
        if let Some(differs) = differs {
            wrong.push(format!("{}: {what} {differs}", case["case"]));
        }
    };
    let lists = [("outputs", &found.0), ("input_grads", &found.3)];
    for (what, found) in lists {
        let expected = list(&case[what]);
        assert_eq!(found.len(), expected.len(), "{} {what}", case["case"]);
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            say(format!("{what} {i}"), differs(a, b, share));
        }
    }
    for (what, found) in [("new_state", &found.1), ("param_grads", &*found.2)] {
        let expected = named(&case[what]);
        assert_eq!(found.len(), expected.len(), "{} {what}", case["case"]);
        for (path, b) in &expected {
            say(format!("{what} {path}"), differs(found.get(&path).unwrap(), b, share));
        }
    }
    wrong
}

fn cases() -> Vec<Value> {
    let lines = include_str!("../fixtures/layers.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn mode(case: &Value) -> Mode {
    if case["training"].as_bool().unwrap() { Mode::train() } else { Mode::eval() }
}

#[test]
fn layers_ask_for_what_those_of_flax_ask_for() {
    let layers = layers();
    let cases = cases();
    let names: Vec<&str> = cases.iter().map(|case| case["case"].as_str().unwrap()).collect();
    assert!(layers.keys().all(|name| names.contains(name)) && layers.len() == names.len());
    for (case, name) in cases.iter().zip(names) {
        let (layer, xs) = (&layers[name], list(&case["inputs"]));
        let table = nn::tabulate(|cx| layer(cx, &xs)).unwrap();
        for (kind, is_state) in [("params", false), ("state", true)] {
            let asked: BTreeMap<String, String> = table
                .rows()
                .iter()
                .filter(|row| row.is_state == is_state)
                .map(|row| (row.path.clone(), row.aval.to_string()))
                .collect();
            let expected: BTreeMap<String, String> =
                named(&case[kind]).iter().map(|(path, x)| (path, x.aval().to_string())).collect();
            assert_eq!(asked, expected, "{name}: {kind}");
        }
    }
}

/// One value and gradient compiled, and once more computed twice, under `vmap` of an ensemble whose first member is another.
fn compare(part: usize) {
    quickly(|| compare_part(part));
}

fn compare_part(part: usize) {
    let layers = layers();
    let mut wrong = Vec::new();
    for case in cases().iter().skip(part).step_by(PARTS) {
        let layer = &layers[case["case"].as_str().unwrap()];
        let (params, state) = (Params::from(named(&case["params"])), State::from(named(&case["state"])));
        let xs = list(&case["inputs"]);
        let (plain_mode, plain, ys) = (mode(case), layer.clone(), xs.clone());
        let once = jit(move |params: &Params, state: &State| {
            run(&plain, &plain_mode, (params.clone(), state.clone()), ys.clone(), false)
        });
        wrong.extend(check(case, &once(&params, &state).unwrap(), 1e-6));
        let (mode, layer) = (mode(case), layer.clone());
        let member = move |params: &Params, state: &State, xs: &Vec<Array>| {
            run(&layer, &mode, (params.clone(), state.clone()), xs.clone(), true)
        };
        let two = |x: &Array| match x.dtype().is_float() {
            true => jnp::stack([&(x * 0.5), x], 0),
            false => jnp::stack([x, x], 0),
        };
        let (params, state, xs) =
            (tree::map(two, &params), tree::map(two, &state), xs.iter().map(two).collect::<Vec<Array>>());
        let found = jit(vmap(member))(&params, &state, &xs).unwrap();
        let found = tree::map(|x| x.index(1), &found);
        wrong.extend(check(case, &found, 2e-6).into_iter().map(|text| format!("ensemble: {text}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
}

/// Tests run beside each other.
const PARTS: usize = 3;

#[test]
fn a_third_of_the_layers_have_the_values_and_gradients_of_flax() {
    compare(0);
}

#[test]
fn another_third_of_the_layers_have_the_values_and_gradients_of_flax() {
    compare(1);
}

#[test]
fn the_last_third_of_the_layers_have_the_values_and_gradients_of_flax() {
    compare(2);
}
