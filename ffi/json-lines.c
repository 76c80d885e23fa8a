// Lines of output as records of docker's json-file driver, a gigabyte a second: what a container writes passes through here,
// and its monitor's strings would cost as much as all else that it does for it. See ffi/json-lines.ts.
//
// Freestanding and position independent: these bytes are mapped into the process.
#include "freestanding.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n  jmp encode\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n  b encode\n");
#endif

typedef unsigned char byte;
typedef signed char bytes16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef unsigned long words2 __attribute__((vector_size(16)));

// The fields: ffi/json-lines.ts, too.
struct job {
  const byte *in;
  long length;
  byte *out;
  long capacity;
  const byte *prefix, *suffix; // of a record, a multiple of 16 bytes of memory each; the suffix has the newline
  long prefix_length, suffix_length;
  long longest; // line that is written in one piece
  long taken, written;
};

// Of a character that is not ASCII, how many bytes (Unicode, table 3-7); 0 where it is malformed.
static long well_formed(const byte *in, long left) {
  byte a = in[0], low = 0x80, high = 0xbf;
  long size = a >= 0xc2 && a <= 0xdf ? 2 : a >= 0xe0 && a <= 0xef ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0;
  if (size == 0 || size > left) return 0;
  if (a == 0xe0) low = 0xa0;
  if (a == 0xed) high = 0x9f;
  if (a == 0xf0) low = 0x90;
  if (a == 0xf4) high = 0x8f;
  if (in[1] < low || in[1] > high) return 0;
  for (long i = 2; i < size; i++)
    if (in[i] < 0x80 || in[i] > 0xbf) return 0;
  return size;
}

// As JSON.stringify: the short form, where there is one.
static byte *escape(byte *out, byte c) {
  static const char digits[] = "0123456789abcdef";
  byte letter = c == '"' || c == '\\' ? c : c == '\b' ? 'b' : c == '\t' ? 't' : c == '\f' ? 'f' : c == '\r' ? 'r' : 'u';
  *out++ = '\\';
  *out++ = letter;
  if (letter != 'u') return out;
  *out++ = '0';
  *out++ = '0';
  *out++ = digits[c >> 4];
  *out++ = digits[c & 15];
  return out;
}

// More than is asked for is written: what is behind it is room.
static byte *append(byte *out, const byte *from, long length) {
  for (long i = 0; i < length; i += 16) *(bytes16 *)(out + i) = *(const bytes16 *)(from + i);
  return out + length;
}

// How many of sixteen bytes are to be copied as they are, before the first that is not.
static long plain(bytes16 v) {
  words2 special = (words2)((v < 0x20) | (v == '"') | (v == '\\')); // below 0x20 are those that are not ASCII, too
  if (special[0]) return __builtin_ctzl(special[0]) / 8;
  return special[1] ? 8 + __builtin_ctzl(special[1]) / 8 : 16;
}

// Takes whole lines, as many as there is room for, up to one that is too long or not UTF-8.
static __attribute__((used)) void encode(struct job *job) {
  const byte *in = job->in, *end = in + job->length, *line = in;
  byte *out = job->out, *record = out;
  // The most that a line may take.
  const byte *last = out + job->capacity - (job->prefix_length + 6 * job->longest + job->suffix_length + 64);
  while (line < end && record <= last) {
    out = append(record, job->prefix, job->prefix_length);
    for (;;) {
      if (end - in >= 16) {
        bytes16 v = *(const bytes16 *)in;
        *(bytes16 *)out = v;
        long count = plain(v);
        in += count;
        out += count;
        if (in - line > job->longest) goto done;
        if (count == 16) continue;
      }
      if (in == end || in - line >= job->longest) goto done;
      byte c = *in;
      if (c == '\n') break;
      if (c >= 0x80) {
        long size = well_formed(in, end - in);
        if (size == 0) goto done;
        while (size-- > 0) *out++ = *in++;
      } else {
        if (c < 0x20 || c == '"' || c == '\\') out = escape(out, c);
        else *out++ = c;
        in++;
      }
    }
    record = append(out, job->suffix, job->suffix_length);
    line = ++in;
  }
done:
  job->taken = line - job->in;
  job->written = record - job->out;
}
