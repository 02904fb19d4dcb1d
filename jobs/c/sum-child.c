// sum-child in C (`./just c-guest` builds and runs it): adds up the numbers that its parent sends, until a nil says that
// this was all, and sends the sum.
//
//     sandhog run --child child=c-sum-child.wasm sum-parent.wasm -- 1 2 3
//
// A message is one MessagePack value. A few kinds are written here by hand; a program with more to say takes a library.

#include "bindings/command.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { NIL, NUMBER, OTHER } kind;

// What a message holds, and the number if it is one. An integer's first byte says how many follow, the highest first.
static kind decode(const command_list_u8_t *body, int64_t *number) {
  if (body->len == 0) return OTHER;
  uint8_t first = body->ptr[0];
  if (first == 0xc0) return NIL;
  if (first <= 0x7f || first >= 0xe0) { // In the byte itself: 0 to 127, -32 to -1.
    *number = (int8_t)first;
    return NUMBER;
  }
  int is_unsigned = first >= 0xcc && first <= 0xcf, is_signed = first >= 0xd0 && first <= 0xd3;
  size_t bytes = (size_t)1 << (first & 3);
  if (!(is_unsigned || is_signed) || body->len != 1 + bytes) return OTHER;
  uint64_t bits = is_signed && body->ptr[1] >= 0x80 ? UINT64_MAX : 0;
  for (size_t i = 1; i <= bytes; i++) bits = bits << 8 | body->ptr[i];
  if (is_unsigned && bits > INT64_MAX) return OTHER;
  *number = (int64_t)bits;
  return NUMBER;
}

static void encode(int64_t number, uint8_t body[9]) {
  body[0] = 0xd3;
  for (int i = 0; i < 8; i++) body[1 + i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
}

static int fail(const char *what) {
  fprintf(stderr, "sum-child: %s\n", what);
  return EXIT_FAILURE;
}

int main(void) {
  sandhog_job_channel_own_connection_t end;
  if (!sandhog_job_channel_parent(&end)) return fail("there is no parent to talk to");
  sandhog_job_channel_borrow_connection_t parent = sandhog_job_channel_borrow_connection(end);
  // A number has nine bytes at the most; what is larger is not read.
  sandhog_job_channel_method_connection_limit(parent, 9);
  sandhog_job_process_ready();

  int64_t sum = 0;
  sandhog_job_types_error_t error;
  for (;;) {
    sandhog_job_channel_message_t message;
    // A null pointer is no time-out: it waits for ever.
    if (!sandhog_job_channel_method_connection_recv(parent, NULL, &message, &error)) {
      return fail("the parent has gone before it had said all");
    }
    int64_t number = 0;
    kind kind = message.format == SANDHOG_JOB_TYPES_FORMAT_VALUE ? decode(&message.body, &number) : OTHER;
    // What a call returns is the caller's, and is freed by it.
    sandhog_job_types_message_free(&message);
    if (kind == NIL) break;
    if (kind == OTHER) return fail("that was no number");
    if (__builtin_add_overflow(sum, number, &sum)) return fail("the sum is too large");
  }

  uint8_t body[9];
  encode(sum, body);
  sandhog_job_channel_message_t answer = {SANDHOG_JOB_TYPES_FORMAT_VALUE, {body, sizeof body}};
  if (!sandhog_job_channel_method_connection_send(parent, &answer, NULL, &error)) return fail("the parent has gone");
  return EXIT_SUCCESS;
}
