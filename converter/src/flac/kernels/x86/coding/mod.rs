//! The coding kernels with AVX2.
