//! What a primitive's `lower` writes to: the module builder, with helpers for the operations that many rules share.
//! JAX: `interpreters/mlir.py`.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, Jaxpr};
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::Result;
use crate::mlir::{Attrs, Builder, Type, Value, Values, usize_array};

/// A module that is being lowered. It dereferences to its [`Builder`].
#[derive(Debug, Default)]
pub struct LoweringCtx {
    builder: Builder,
    /// Functions of nested jaxprs: one for all the calls of equal jaxprs.
    functions: FxHashMap<Arc<Jaxpr>, String>,
    /// Functions that lowering rules have asked for, by their name and the types of their arguments.
    helpers: FxHashMap<(&'static str, SmallVec<[Type; 4]>), String>,
    names: FxHashMap<String, usize>,
}

impl Deref for LoweringCtx {
    type Target = Builder;
    fn deref(&self) -> &Builder {
        &self.builder
    }
}

impl DerefMut for LoweringCtx {
    fn deref_mut(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

impl LoweringCtx {
    /// The finished module.
    pub fn finish(self, name: &str, num_partitions: usize) -> String {
        self.builder.finish(name, num_partitions)
    }

    /// The type of an aval.
    pub fn ty(&mut self, aval: &ShapedArray) -> Type {
        self.builder.tensor(aval.dtype, &aval.shape)
    }

    /// The aval of a value (strongly typed).
    pub fn aval(&self, value: Value) -> ShapedArray {
        ShapedArray::new(self.dtype(value), &self.shape(value))
    }

    /// An operation with operands of one shape and a result of another dtype or of the same, in generic form.
    pub fn op_aval(&mut self, name: &str, operands: &[Value], attrs: &str, out: &ShapedArray) -> Value {
        let ty = self.ty(out);
        self.op1(name, operands, attrs, ty)
    }

    /// A scalar constant.
    pub fn constant(&mut self, value: Scalar) -> Value {
        self.full(value, &[])
    }

    /// A constant of this shape with every element `value`.
    pub fn full(&mut self, value: Scalar, shape: &[usize]) -> Value {
        let ty = self.tensor(value.dtype(), shape);
        let attrs = format!("value = dense<{}> : {}", mlir_literal(value), self.type_text(ty));
        self.op1("stablehlo.constant", &[], &attrs, ty)
    }

    /// A constant of `value`'s shape and dtype with every element `x`.
    pub fn full_like(&mut self, value: Value, x: f64) -> Value {
        let shape = self.shape(value);
        let scalar = Scalar::from_f64(self.dtype(value), x);
        self.full(scalar, &shape)
    }

    /// `broadcast_in_dim`: axis `i` of `x` becomes axis `dims[i]` of the result.
    pub fn broadcast_in_dim(&mut self, x: Value, shape: &[usize], dims: &[usize]) -> Value {
        if self.shape(x).as_slice() == shape {
            return x;
        }
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, shape);
        let attrs = format!("broadcast_dimensions = {}", usize_array(dims));
        self.op1("stablehlo.broadcast_in_dim", &[x], &attrs, ty)
    }

    /// `convert` to another dtype; nothing if it has it already.
    pub fn convert(&mut self, x: Value, dtype: DType) -> Value {
        if self.dtype(x) == dtype {
            return x;
        }
        let shape = self.shape(x);
        let ty = self.tensor(dtype, &shape);
        self.op1("stablehlo.convert", &[x], "", ty)
    }

    /// `reshape`.
    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Value {
        if self.shape(x).as_slice() == shape {
            return x;
        }
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, shape);
        self.op1("stablehlo.reshape", &[x], "", ty)
    }

    /// `transpose`: axis `i` of the result is axis `permutation[i]` of `x`.
    pub fn transpose(&mut self, x: Value, permutation: &[usize]) -> Value {
        let shape = self.shape(x);
        let shape: SmallVec<[usize; 4]> = permutation.iter().map(|p| shape[*p]).collect();
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, &shape);
        self.op1("stablehlo.transpose", &[x], &format!("permutation = {}", usize_array(permutation)), ty)
    }

    /// `select`: `on_true` where `pred`.
    pub fn select(&mut self, pred: Value, on_true: Value, on_false: Value) -> Value {
        self.op1("stablehlo.select", &[pred, on_true, on_false], "", on_true.ty())
    }

    /// `compare` with a direction such as `"LT"`, by the comparison type that the dtype has.
    pub fn compare(&mut self, direction: &str, lhs: Value, rhs: Value) -> Value {
        let dtype = self.dtype(lhs);
        let kind = match dtype {
            d if d.is_inexact() => "FLOAT",
            d if d.is_signed() => "SIGNED",
            _ => "UNSIGNED",
        };
        self.compare_as(direction, kind, lhs, rhs)
    }

    /// `compare` with a direction and a comparison type.
    pub fn compare_as(&mut self, direction: &str, kind: &str, lhs: Value, rhs: Value) -> Value {
        let shape = self.shape(lhs);
        let ty = self.tensor(DType::Bool, &shape);
        let attrs = format!(
            "comparison_direction = #stablehlo<comparison_direction {direction}>, \
             compare_type = #stablehlo<comparison_type {kind}>"
        );
        self.op1("stablehlo.compare", &[lhs, rhs], &attrs, ty)
    }

    /// `iota` along `axis`.
    pub fn iota(&mut self, dtype: DType, shape: &[usize], axis: usize) -> Value {
        let ty = self.tensor(dtype, shape);
        self.op1("stablehlo.iota", &[], &format!("iota_dimension = {axis} : i64"), ty)
    }

    /// `reduce` over `axes` with one binary elementwise operation as its body.
    pub fn reduce(&mut self, body: &str, x: Value, init: Scalar, axes: &[usize]) -> Value {
        let scalar = self.tensor(init.dtype(), &[]);
        let init = self.constant(init);
        let shape: SmallVec<[usize; 4]> = {
            let full = self.shape(x);
            full.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, n)| *n).collect()
        };
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, &shape);
        let out = self.op_with_region(
            "stablehlo.reduce",
            &[x, init],
            &format!("dimensions = {}", usize_array(axes)),
            &[ty],
            &[scalar, scalar],
            |ctx, args| Ok(Values::from_slice(&[ctx.elementwise(body, args, scalar)])),
        );
        // The body above cannot fail.
        out.map_or(x, |values| values[0])
    }

    /// An operation with one region.
    pub fn op_with_region(
        &mut self,
        name: &str,
        operands: &[Value],
        attrs: &str,
        results: &[Type],
        region_args: &[Type],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<Values> {
        let out = self.begin_op_with_regions(name, operands, results);
        let args = self.begin_region(region_args);
        let values = body(self, &args)?;
        self.end_region(&values);
        self.end_op_with_regions(operands, attrs, &out);
        Ok(out)
    }

    /// Writes the equations of a jaxpr without constants in place.
    pub fn inline_jaxpr(&mut self, jaxpr: &Jaxpr, args: &[Value]) -> Result<Values> {
        debug_assert!(jaxpr.constvars.is_empty() && jaxpr.invars.len() == args.len());
        let mut env: Vec<Option<Value>> = vec![None; jaxpr.avals.len()];
        for (var, value) in jaxpr.invars.iter().zip(args) {
            env[var.0 as usize] = Some(*value);
        }
        let live = jaxpr.live_eqns();
        for (eqn, _) in jaxpr.eqns.iter().zip(&live).filter(|(_, live)| **live) {
            self.set_location(eqn.loc);
            let ins = eqn.inputs.iter().map(|a| self.read(&env, a)).collect::<Result<Values>>()?;
            let outs: SmallVec<[ShapedArray; 2]> =
                eqn.outputs.iter().map(|v| jaxpr.aval(*v).clone()).collect();
            let values = eqn.prim.lower(self, &ins, &outs).map_err(|e| e.at(eqn.loc))?;
            for (var, value) in eqn.outputs.iter().zip(values) {
                env[var.0 as usize] = Some(value);
            }
        }
        jaxpr.outvars.iter().map(|a| self.read(&env, a)).collect()
    }

    fn read(&mut self, env: &[Option<Value>], atom: &Atom) -> Result<Value> {
        match atom {
            Atom::Literal(x) => Ok(self.constant(*x)),
            Atom::Var(v) => env[v.0 as usize]
                .ok_or_else(|| crate::error::err!(Internal, "lowering: variable {} has no value", v.0)),
        }
    }

    /// Calls a jaxpr without constants as a private function, written once for equal jaxprs.
    pub fn call_jaxpr(&mut self, name: &str, jaxpr: &Arc<Jaxpr>, args: &[Value]) -> Result<Values> {
        let function = match self.functions.get(jaxpr) {
            Some(function) => function.clone(),
            None => {
                let function = self.unique_name(name);
                self.write_function(&function, false, jaxpr, &[], &[])?;
                self.functions.insert(jaxpr.clone(), function.clone());
                function
            }
        };
        let results: Vec<Type> = jaxpr.outvars.iter().map(|a| self.ty(&jaxpr.atom_aval(a))).collect();
        Ok(self.builder.call(&function, args, &results))
    }

    /// Calls a private function, which `body` writes at the first call with arguments of these types.
    pub fn call_helper(
        &mut self,
        name: &'static str,
        args: &[Value],
        results: &[Type],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<Values> {
        let key = (name, args.iter().map(|x| x.ty()).collect());
        let function = match self.helpers.get(&key) {
            Some(function) => function.clone(),
            None => {
                let function = self.unique_name(name);
                let typed = |types: &mut dyn Iterator<Item = Type>| -> Vec<(Type, Attrs)> {
                    types.map(|ty| (ty, Attrs::default())).collect()
                };
                let ins = typed(&mut args.iter().map(|x| x.ty()));
                let outs = typed(&mut results.iter().copied());
                let values = self.begin_function(&function, false, &ins, &outs);
                let values = body(self, &values)?;
                self.end_function(&values);
                self.helpers.insert(key, function.clone());
                function
            }
        };
        Ok(self.builder.call(&function, args, results))
    }

    /// Writes a jaxpr without constants as a function. Attributes may be shorter than the lists that they belong to.
    pub fn write_function(
        &mut self,
        name: &str,
        public: bool,
        jaxpr: &Jaxpr,
        arg_attrs: &[Attrs],
        result_attrs: &[Attrs],
    ) -> Result<()> {
        let attrs = |list: &[Attrs], i: usize| list.get(i).cloned().unwrap_or_default();
        let args: Vec<_> = (jaxpr.invars.iter().enumerate())
            .map(|(i, v)| (self.ty(jaxpr.aval(*v)), attrs(arg_attrs, i)))
            .collect();
        let results: Vec<_> = (jaxpr.outvars.iter().enumerate())
            .map(|(i, a)| (self.ty(&jaxpr.atom_aval(a)), attrs(result_attrs, i)))
            .collect();
        let values = self.begin_function(name, public, &args, &results);
        let outs = self.inline_jaxpr(jaxpr, &values)?;
        self.end_function(&outs);
        Ok(())
    }

    fn unique_name(&mut self, name: &str) -> String {
        let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let clean = if clean == "main" { "main_fn".to_owned() } else { clean };
        let count = self.names.entry(clean.clone()).or_default();
        *count += 1;
        if *count == 1 { clean } else { format!("{clean}_{}", *count - 1) }
    }
}

/// A scalar as MLIR writes it inside `dense<…>`, exactly.
pub(crate) fn mlir_literal(x: Scalar) -> String {
    let real = |dtype: DType, value: f64, bytes: &[u8]| -> String {
        // Short decimals are exact in every format; anything else goes by its bits.
        if value.abs() < 1e6 && (value * 256.0).fract() == 0.0 && (value != 0.0 || value.is_sign_positive()) {
            return format!("{value:?}");
        }
        let hex: String = bytes[..dtype.size()].iter().rev().map(|b| format!("{b:02X}")).collect();
        format!("0x{hex}")
    };
    let (dtype, bytes) = (x.dtype(), x.bytes());
    match dtype {
        DType::C64 => {
            format!(
                "({},{})",
                real(DType::F32, x.to_f64(), &bytes[..4]),
                real(DType::F32, x.imag(), &bytes[4..8])
            )
        }
        DType::C128 => {
            format!(
                "({},{})",
                real(DType::F64, x.to_f64(), &bytes[..8]),
                real(DType::F64, x.imag(), &bytes[8..])
            )
        }
        d if d.is_float() => real(d, x.to_f64(), &bytes),
        _ => x.to_string(),
    }
}
