/**
 * What bun:ffi is made of: the module, whose additions nothing here needs, takes each process 0.6 ms to load. It is loaded
 * by a Bun that does not have them in this place. `dlopen` may return an error where the module's throws it.
 */
import type { FFIType, Pointer } from "bun:ffi";

const native = (Bun as unknown as { FFI?: typeof import("bun:ffi") }).FFI ?? (require("bun:ffi") as typeof import("bun:ffi"));

export const { dlopen, linkSymbols, ptr, read } = native;

/** This process's memory; so many bytes. */
export const memoryAt = (address: number, bytes: number): ArrayBuffer => native.toArrayBuffer(address as Pointer, 0, bytes);

// Numbers of bun:ffi's FFIType.
export const I32 = 5 as FFIType.int32_t;
export const I64 = 7 as FFIType.int64_t;
export const I64_FAST = 15 as FFIType.i64_fast;
export const POINTER = 12 as FFIType.ptr;
export const VOID = 13 as FFIType.void;
