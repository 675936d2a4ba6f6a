//go:build wasip1

package brio

import (
	"math"
	"unsafe"
)

// The host writes into memory that it asks for, and asks for it while it is called.
var pinned = map[uint32][]byte{}

func alloc(size uint32) uint32 {
	if size == 0 {
		return 8
	}
	// Of words: everything in the interface is aligned to 8 bytes at most.
	words := make([]uint64, (size+7)/8)
	ptr := uint32(uintptr(unsafe.Pointer(&words[0])))
	pinned[ptr] = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), size)
	return ptr
}

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldSize, align, size uint32) uint32 {
	ptr := alloc(size)
	if oldSize > 0 {
		copy(pinned[ptr], pinned[old])
		delete(pinned, old)
	}
	return ptr
}

// What the host wrote, which is the caller's now.
func take(ptr, size uint32) memory {
	if size == 0 {
		return nil
	}
	content := pinned[ptr]
	delete(pinned, ptr)
	return memory(content[:size])
}

// memory is a part of the linear memory, read by offsets.
type memory []byte

func (m memory) u8(at int) uint8   { return m[at] }
func (m memory) u32(at int) uint32 { return *(*uint32)(unsafe.Pointer(&m[at])) }
func (m memory) u64(at int) uint64 { return *(*uint64)(unsafe.Pointer(&m[at])) }

func (m memory) setU32(at int, value uint32) { *(*uint32)(unsafe.Pointer(&m[at])) = value }
func (m memory) setF64(at int, value float64) {
	*(*uint64)(unsafe.Pointer(&m[at])) = math.Float64bits(value)
}

func (m memory) bytes(at int) []byte  { return take(m.u32(at), m.u32(at+4)) }
func (m memory) str(at int) string    { return string(m.bytes(at)) }
func (m memory) option(at int) string { return optional(uint32(m.u8(at)), m.u32(at+4), m.u32(at+8)) }

func optional(is, ptr, size uint32) string {
	if is == 0 {
		return ""
	}
	return string(take(ptr, size))
}

// The elements of a list, and a function for each.
func list[T any](ptr, count uint32, size int, of func(memory) T) []T {
	content := take(ptr, count*uint32(size))
	all := make([]T, count)
	for i := range all {
		all[i] = of(content[i*size : (i+1)*size])
	}
	return all
}

func text(m memory) string { return m.str(0) }

// Puts a text where the host frees it by [release].
func (m memory) setStr(at int, text string) {
	ptr := alloc(uint32(len(text)))
	copy(pinned[ptr], text)
	m.setU32(at, ptr)
	m.setU32(at+4, uint32(len(text)))
}

func release() { clear(pinned) }
