/* The headers that an ASGI application sends: what is taken, what is refused, and nothing is leaked. */
#include "tests/unit/python_world.h"

#include <stdio.h>
#include <string.h>

#include "workers/bridge.h"

static struct fr_bridge_names names;
static struct fr_socket sock = { .names = &names };
static struct fr_bridge bridge;
static struct fr_bridge_fields fields;

static int setup(void **state)
{
	if (python_names(state) < 0)
		return -1;
	names.headers = PyUnicode_InternFromString("headers");
	bridge.sock = &sock;
	return names.headers ? 0 : -1;
}

static int teardown(void **state)
{
	Py_CLEAR(names.headers);
	return python_forget(state);
}

/* Reads the headers of the message that the expression is. */
static int read_fields(const char *message)
{
	char code[512];
	int rc;

	snprintf(code, sizeof code, "message = %s\n", message);
	py(code);
	bridge.left = -1;
	fields = (struct fr_bridge_fields){ 0 };
	rc = fr_bridge_fields_read(&bridge, &fields, python_get("message"), 2);
	if (rc == 0)
		py("del message\n"); /* what the fields point to is theirs */
	return rc;
}

static void end(void)
{
	fr_bridge_fields_fini(&fields);
}

static void refused(const char *message, const char *error)
{
	assert_int_equal(read_fields(message), -1);
	assert_string_equal(py_error(), error);
	end();
}

static void field_is(size_t i, const char *name, const char *value)
{
	assert_true(i < fields.count);
	assert_int_equal(fields.list[i].name.len, strlen(name));
	assert_memory_equal(fields.list[i].name.p, name, strlen(name));
	assert_int_equal(fields.list[i].value.len, strlen(value));
	assert_memory_equal(fields.list[i].value.p, value, strlen(value));
}

static void test_pairs_of_any_kind(void **state)
{
	static const char *const messages[] = {
		"{'headers': [(b'X-One', b'1'), [b'two', b'Zwei'], iter((b'THREE', b''))]}",
		"{'headers': ((n, v) for n, v in [(b'x-one', b'1'), (b'Two', b'Zwei'), (b'three', "
		"b'')])}",
		"{'headers': {b'x-one': b'1', b'tWo': b'Zwei', b'three': b''}.items()}",
		"__import__('collections').ChainMap({'headers': ((b'x-One', b'1'), (b'two', "
		"b'Zwei'), (b'three', b''))})",
	};

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		assert_int_equal(read_fields(messages[i]), 0);
		assert_int_equal(fields.count, 3);
		field_is(0, "x-one", "1");
		field_is(1, "two", "Zwei");
		field_is(2, "three", "");
		assert_false(fields.length || fields.chunked);
		assert_int_equal(bridge.left, -1);
		/* There is room for what others add. */
		memset(&fields.list[3], 0, 2 * sizeof *fields.list);
		end();
	}
}

static void test_no_headers(void **state)
{
	(void)state;
	assert_int_equal(read_fields("{}"), 0);
	assert_int_equal(fields.count, 0);
	end();
	assert_int_equal(read_fields("{'headers': ()}"), 0);
	assert_int_equal(fields.count, 0);
	end();
}

/* Only letters of ASCII have another case; whatever else stands in a name is net's to refuse. */
static void test_names(void **state)
{
	(void)state;
	assert_int_equal(read_fields("{'headers': [(b'@AZ[`az{\\xc4\\xe4', b''), (b'', b'')]}"), 0);
	assert_int_equal(fields.count, 2);
	field_is(0, "@az[`az{\xc4\xe4", "");
	field_is(1, "", "");
	end();
}

static void test_no_pairs_of_bytes(void **state)
{
	static const char *const messages[] = {
		"{'headers': [(b'a', b'1'), (b'a',)]}",
		"{'headers': [(b'A', b'1'), (b'a', b'1', b'2')]}",
		"{'headers': [(b'A', b'1'), ()]}",
		"{'headers': [(b'A', b'1'), ('a', b'1')]}",
		"{'headers': [(b'A', b'1'), (b'a', '1')]}",
		"{'headers': [(b'a', 1)]}",
		"{'headers': [(b'a', None)]}",
		"{'headers': [(bytearray(b'a'), b'1')]}",
		"{'headers': [(b'a', memoryview(b'1'))]}",
		"{'headers': {'a': 'b'}}",
		"{'headers': b'ab'[:0] or [b'ab']}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
		refused(messages[i], "TypeError: a header must be a pair of bytes");
	refused("{'headers': None}", "TypeError: 'NoneType' object is not iterable");
	refused("{'headers': 5}", "TypeError: 'int' object is not iterable");
	refused("{'headers': [(b'A', b'1'), None]}",
	        "TypeError: 'NoneType' object is not iterable");
	refused("None", "TypeError: 'NoneType' object is not subscriptable");
}

/* An exception of the application's goes through, in the midst of it, too. */
static void test_exceptions(void **state)
{
	(void)state;
	py("def broken():\n"
	   "    yield b'A', b'1'\n"
	   "    raise RuntimeError('no more')\n"
	   "def pair():\n"
	   "    yield b'A'\n"
	   "    raise RuntimeError('no value')\n"
	   "class Message:\n"
	   "    def __getitem__(self, name):\n"
	   "        raise RuntimeError('no message')\n");
	refused("{'headers': broken()}", "RuntimeError: no more");
	refused("{'headers': [(b'A', b'1'), pair()]}", "RuntimeError: no value");
	refused("Message()", "RuntimeError: no message");
}

static void test_transfer_encoding(void **state)
{
	(void)state;
	assert_int_equal(read_fields("{'headers': [(b'Transfer-Encoding', b'chunked'), (b'A', "
	                             "b'1'), (b'transfer-encoding', b'')]}"),
	                 0);
	assert_int_equal(fields.count, 1);
	field_is(0, "a", "1");
	assert_true(fields.chunked);
	assert_false(fields.length);
	end();
}

static void test_lengths(void **state)
{
	static const struct {
		const char *value;
		int64_t left;
	} good[] = {
		{ "b'0'", 0 },
		{ "b'17'", 17 },
		{ "b'000017'", 17 },
		{ "b'922337203685477580'", 922337203685477580 },
	};
	static const char *const bad[] = {
		"b'-1'",
		"b'+1'",
		"b' 1'",
		"b'1 '",
		"b'1,1'",
		"b'1.0'",
		"b'1e3'",
		"b'0x10'",
		"b'\\xb2'",
		"b'1\\x00'",
		"b'1_0'",
		"b'9' * 19",
		"b'9' * 400",
		"b'9223372036854775808'",
		"b'18446744073709551617'",
	};
	char message[128];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		snprintf(message, sizeof message, "{'headers': [(b'Content-LENGTH', %s)]}",
		         good[i].value);
		assert_int_equal(read_fields(message), 0);
		assert_true(fields.length);
		assert_int_equal(bridge.left, good[i].left);
		assert_int_equal(fields.list[0].name.len, strlen("content-length"));
		assert_memory_equal(fields.list[0].name.p, "content-length", 14);
		end();
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(message, sizeof message,
		         "{'headers': [(b'A', b'1'), (b'Content-Length', %s)]}", bad[i]);
		refused(message, "RuntimeError: Invalid Content-Length.");
	}
}

static void test_many(void **state)
{
	(void)state;
	assert_int_equal(
		read_fields("{'headers': [(b'Name-%d' % i, b'v' * i) for i in range(5000)]}"), 0);
	assert_int_equal(fields.count, 5000);
	assert_int_equal(fields.list[4999].value.len, 4999);
	assert_memory_equal(fields.list[4999].name.p, "name-4999", 9);
	end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pairs_of_any_kind), TEST(test_no_headers), TEST(test_names),
		TEST(test_no_pairs_of_bytes), TEST(test_exceptions), TEST(test_transfer_encoding),
		TEST(test_lengths),           TEST(test_many),
	};

	return cmocka_run_group_tests(tests, python_start, python_stop);
}
