/*
 * The selector and its watches: as selectors.BaseSelector, and what lets
 * select() return to asyncio, beside watchers in C.
 */
#include "tests/unit/python_world.h"

#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "workers/gil.h"
#include "workers/selector.h"

static PyObject *selector;
static struct ev_loop *ev;

static int setup(void **state)
{
	if (python_names(state) < 0)
		return -1;
	selector = fr_selector_new();
	python_set("selector", selector);
	ev = fr_selector_ev(selector);
	py("import os, socket, time\n"
	   "from selectors import EVENT_READ, EVENT_WRITE, SelectorKey\n"
	   "a, b = socket.socketpair()\n"
	   "def raises(kind, fn, *args):\n"
	   "    try:\n"
	   "        fn(*args)\n"
	   "    except kind as exc:\n"
	   "        assert type(exc) is kind, exc\n"
	   "        return str(exc)\n"
	   "    raise AssertionError(f'{fn} has not raised {kind}')\n");
	return 0;
}

static int teardown(void **state)
{
	py("selector.close()\na.close()\nb.close()\n");
	Py_CLEAR(selector);
	return python_forget(state);
}

/* ---- as any selector ---- */

static void test_register(void **state)
{
	(void)state;
	py("key = selector.register(a, EVENT_READ, 'data')\n"
	   "assert key == (a, a.fileno(), EVENT_READ, 'data') and type(key) is SelectorKey\n"
	   "assert selector.get_key(a) is key and selector.get_key(a.fileno()) is key\n"
	   "assert dict(selector.get_map()) == {a.fileno(): key}\n"
	   "raises(AttributeError, lambda: selector.get_map().clear())\n"
	   "other = selector.register(fileobj=b.fileno(), events=EVENT_READ | EVENT_WRITE)\n"
	   "assert other == (b.fileno(), b.fileno(), 3, None)\n"
	   "assert selector.unregister(a) is key\n"
	   "assert list(selector.get_map()) == [b.fileno()]\n"
	   "again = selector.register(a, EVENT_WRITE)\n"
	   "assert again == (a, a.fileno(), EVENT_WRITE, None)\n");
}

static void test_what_can_not_be_registered(void **state)
{
	(void)state;
	py("import tempfile\n"
	   "for events in (0, 4, 8, -1, 7):\n"
	   "    assert raises(ValueError, selector.register, a, events) == f'Invalid events: "
	   "{events}'\n"
	   "for thing in (-1, 'x', None, object(), 1.5):\n"
	   "    assert raises(ValueError, selector.register, thing, 1), thing\n"
	   "raises(OverflowError, selector.register, 1 << 40, 1)\n"
	   "raises(TypeError, selector.register)\n"
	   "raises(TypeError, selector.register, a, 'read')\n"
	   "free = os.dup(0)\n"
	   "os.close(free)\n"
	   "assert raises(OSError, selector.register, free, 1) == '[Errno 9] Bad file descriptor'\n"
	   "with tempfile.TemporaryFile() as f:\n"
	   "    raises(PermissionError, selector.register, f, 1)\n"
	   "folder = os.open('/', os.O_RDONLY)\n"
	   "raises(PermissionError, selector.register, folder, 1)\n"
	   "os.close(folder)\n"
	   "selector.register(a, 1)\n"
	   "assert 'is already registered' in raises(KeyError, selector.register, a, 2)\n"
	   "assert 'is already registered' in raises(KeyError, selector.register, a.fileno(), 2)\n"
	   "assert selector.get_key(a).events == 1 and len(selector.get_map()) == 1\n");
}

static void test_what_is_not_registered(void **state)
{
	(void)state;
	py("for act in (selector.unregister, selector.get_key, lambda x: selector.modify(x, 1)):\n"
	   "    assert 'is not registered' in raises(KeyError, act, a)\n"
	   "    raises(KeyError, act, 100000)\n"
	   "    raises(ValueError, act, -1)\n"
	   "    raises(ValueError, act, 'x')\n"
	   "selector.register(a, 1)\n"
	   "selector.unregister(a)\n"
	   "raises(KeyError, selector.unregister, a)\n");
}

static void test_select(void **state)
{
	(void)state;
	py("assert selector.select(0) == [] and selector.select(-1) == []\n"
	   "key = selector.register(a, EVENT_READ | EVENT_WRITE)\n"
	   "assert selector.select(0) == [(key, EVENT_WRITE)]\n"
	   "assert selector.select(None) == [(key, EVENT_WRITE)]\n" /* again: it is level-triggered */
	   "b.send(b'x')\n"
	   "assert selector.select(None) == [(key, EVENT_READ | EVENT_WRITE)]\n"
	   "key = selector.modify(a, EVENT_READ, 'new')\n"
	   "assert key.data == 'new' and selector.get_key(a) is key\n"
	   "assert selector.select(5) == [(key, EVENT_READ)]\n"
	   "a.recv(1)\n"
	   "assert selector.select(0) == []\n"
	   "b.close()\n" /* the end can be read */
	   "assert selector.select(5) == [(key, EVENT_READ)]\n"
	   "selector.unregister(a)\n"
	   "assert selector.select(0) == []\n"
	   "raises(TypeError, selector.select, 'x')\n");
}

static void test_timeouts(void **state)
{
	(void)state;
	py("selector.register(a, EVENT_READ)\n"
	   "for timeout in (0.05, 0.001):\n"
	   "    start = time.monotonic()\n"
	   "    assert selector.select(timeout) == []\n"
	   "    took = time.monotonic() - start\n"
	   "    assert timeout * 0.9 <= took, took\n"
	   "assert selector.select(0) == []\n");
}

/* asyncio unregisters what the application has closed already. */
static void test_closed_meanwhile(void **state)
{
	(void)state;
	py("key = selector.register(a, EVENT_READ)\n"
	   "fd = a.fileno()\n"
	   "b.send(b'x')\n"
	   "a.close()\n"
	   "assert selector.select(0.01) == []\n"
	   "assert selector.get_key(a) is key\n" /* found by its object: it has no number any more */
	   "c, d = socket.socketpair()\n"
	   "if c.fileno() != fd:\n"
	   "    os.dup2(c.fileno(), fd)\n"
	   "assert selector.unregister(a) is key\n"
	   "raises(ValueError, selector.unregister, a)\n"
	   "new = selector.register(fd, EVENT_READ)\n"
	   "d.send(b'y')\n"
	   "assert selector.select(5) == [(new, EVENT_READ)]\n"
	   "selector.unregister(fd)\n"
	   "if c.fileno() != fd:\n"
	   "    os.close(fd)\n"
	   "c.close()\n"
	   "d.close()\n");
}

/* What the kernel never heard of was closed: as if it had, and no reason to end the process. */
static void test_closed_at_once(void **state)
{
	(void)state;
	py("c, d = socket.socketpair()\n"
	   "key = selector.register(c, EVENT_READ)\n"
	   "selector.register(a, EVENT_READ)\n"
	   "c.close()\n"
	   "b.send(b'x')\n"
	   "assert selector.select(5) == [(selector.get_key(a), EVENT_READ)]\n"
	   "a.recv(1)\n"
	   "assert selector.select(0.01) == []\n"
	   "assert selector.unregister(c) is key\n"
	   "d.close()\n");
}

static void test_modified_after_it_was_closed(void **state)
{
	(void)state;
	py("fd = a.fileno()\n"
	   "key = selector.register(fd, EVENT_READ)\n"
	   "assert selector.select(0) == []\n"
	   "a.close()\n"
	   "assert raises(OSError, selector.modify, fd, EVENT_READ | EVENT_WRITE) == '[Errno 9] "
	   "Bad file descriptor'\n"
	   "assert selector.select(0) == [] and selector.get_key(fd) is key\n"
	   "assert selector.unregister(fd) is key\n"
	   /* In one turn: registered, watched for more, closed, and its number another's. */
	   "b.close()\n"
	   "c, d = socket.socketpair()\n"
	   "fd = c.fileno()\n"
	   "selector.register(fd, EVENT_READ)\n"
	   "selector.modify(fd, EVENT_READ | EVENT_WRITE)\n"
	   "c.close()\n"
	   "selector.unregister(fd)\n"
	   "os.dup2(d.fileno(), fd)\n"
	   "new = selector.register(fd, EVENT_WRITE)\n"
	   "assert selector.select(0.01) == [(new, EVENT_WRITE)]\n"
	   "selector.unregister(fd)\n"
	   "os.close(fd)\n"
	   "d.close()\n");
}

static void test_many_and_high_descriptors(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	py("import resource\n"
	   "last = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1\n"
	   "b.send(b'x')\n"
	   "fds = [os.dup(a.fileno()) for _ in range(200)] + [os.dup2(a.fileno(), last)]\n"
	   "keys = [selector.register(fd, EVENT_READ, fd) for fd in fds]\n"
	   "def fired():\n" /* libev asks for 64 at first, then for more and more */
	   "    return sorted({key.data for _ in range(6) for key, _ in selector.select(5)})\n"
	   "assert fired() == sorted(fds)\n"
	   "for fd in fds[::2]:\n"
	   "    selector.unregister(fd)\n"
	   "assert fired() == sorted(fds[1::2])\n"
	   "for fd in fds:\n"
	   "    os.close(fd)\n");
}

static void test_close(void **state)
{
	(void)state;
	py("import gc, weakref\n"
	   "class File:\n"
	   "    def fileno(self):\n"
	   "        return a.fileno()\n"
	   "file = File()\n"
	   "gone = weakref.ref(file)\n"
	   "with selector as same:\n"
	   "    assert same is selector\n"
	   "    selector.register(file, EVENT_READ, selector)\n" /* a cycle */
	   "del file\n"
	   "gc.collect()\n"
	   "assert gone() is None\n"
	   "assert selector.get_map() is None\n"
	   "selector.close()\n"
	   "for act in (lambda: selector.select(0), lambda: selector.register(a, 1), lambda: "
	   "selector.modify(a, 1),\n"
	   "            lambda: selector.unregister(a), lambda: selector.get_key(a)):\n"
	   "    assert raises(RuntimeError, act) == 'the selector is closed'\n");
	assert_null(fr_selector_ev(selector));
}

/* Without close(), in a cycle: the collector frees it, with what it watches. */
static void test_collected(void **state)
{
	PyObject *other = fr_selector_new();

	(void)state;
	python_set("other", other);
	Py_DECREF(other);
	py("import gc, weakref\n"
	   "class Data: pass\n"
	   "data = Data()\n"
	   "data.selector = other\n"
	   "gone = weakref.ref(data)\n"
	   "other.register(a, EVENT_READ, data)\n"
	   "del other, data\n"
	   "gc.collect()\n"
	   "assert gone() is None\n");
}

static void test_python_can_not_make_one(void **state)
{
	(void)state;
	py("raises(TypeError, type(selector))\n");
}

/* ---- signals ---- */

static void test_signals(void **state)
{
	(void)state;
	py("import signal\n"
	   "seen = []\n"
	   "signal.signal(signal.SIGALRM, lambda *args: seen.append(args[0]))\n"
	   "def select():\n"
	   "    signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
	   "    return selector.select(10)\n"
	   "assert select() == [] and seen == [signal.SIGALRM]\n"
	   "class Stop(Exception): pass\n"
	   "def stop(*args):\n"
	   "    raise Stop\n"
	   "signal.signal(signal.SIGALRM, stop)\n"
	   "raises(Stop, select)\n" /* also if it comes before the wait */
	   "signal.signal(signal.SIGALRM, signal.SIG_DFL)\n"
	   "assert selector.select(0) == []\n");
}

/* ---- beside watchers in C ---- */

static const char *code; /* what the next one of them runs; NULL: it needs no Python */
static unsigned fired;

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	fired++;
	if (code) {
		fr_gil_take();
		py(code);
	}
}

/* asyncio's loop, as far as the selector sees it. */
static void attach(void)
{
	py("class Loop:\n"
	   "    _stopping = False\n"
	   "loop = Loop()\n"
	   "loop._ready = []\n"
	   "loop._scheduled = ['first']\n");
	assert_int_equal(fr_selector_attach(selector, python_get("loop")), 0);
}

/* select() as asyncio calls it, with a watcher that runs after a moment; how long it took, or -1. */
static double select_with(const char *runs, double timeout)
{
	struct timespec a, b;
	ev_timer timer;
	PyObject *got;

	attach();
	code = runs;
	fired = 0;
	ev_now_update(ev);
	ev_timer_init(&timer, on_timer, 0.02, 0.);
	ev_timer_start(ev, &timer);
	clock_gettime(CLOCK_MONOTONIC, &a);
	got = PyObject_CallMethod(selector, "select", "d", timeout);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ev_timer_stop(ev, &timer);
	if (!got)
		return -1;
	assert_true(fr_gil_held());
	assert_int_equal(PyList_Size(got), 0);
	Py_DECREF(got);
	assert_int_equal(fired, 1);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* What gives asyncio nothing to do keeps it asleep until its timeout. */
static void test_it_sleeps_on(void **state)
{
	static const char *const list[] = {
		NULL,
		"pass",
		"loop._scheduled.append('later')",
		"loop._scheduled.extend(range(100))",
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		double took = select_with(list[i], 0.2);

		if (took < 0.18)
			fail_msg("%s: %g s", list[i] ? list[i] : "nothing", took);
	}
}

static void test_it_wakes_up(void **state)
{
	static const char *const list[] = {
		"loop._ready.append(1)",   "loop._scheduled.insert(0, 'sooner')",
		"loop._scheduled.clear()", "loop._scheduled.extend(range(101))",
		"loop._stopping = True",
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		double took = select_with(list[i], 20.);

		if (took < 0 || took > 10)
			fail_msg("%s: %g s", list[i], took);
	}
}

/* A loop that is not what we know it to be is an exception, not a crash or a wait. */
static void test_a_strange_loop(void **state)
{
	(void)state;
	assert_true(select_with("del Loop._stopping", 20.) < 0);
	assert_string_equal(py_error(),
	                    "AttributeError: 'Loop' object has no attribute '_stopping'");
	assert_true(fr_gil_held());
	attach();
	py("loop._scheduled = None\n" /* of another kind: its changes can't be seen */
	   "assert selector.select(0) == []\n"
	   "del loop._scheduled\n");
	assert_null(PyObject_CallMethod(selector, "select", "i", 0));
	assert_string_equal(py_error(),
	                    "AttributeError: 'Loop' object has no attribute '_scheduled'");
	assert_int_equal(fr_selector_attach(selector, Py_None), -1);
	assert_string_equal(py_error(),
	                    "AttributeError: 'NoneType' object has no attribute '_ready'");
}

static void on_leave(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	assert_false(fr_gil_held());
	fr_selector_leave(selector);
}

/* Without Python, and without a timeout. */
static void test_it_is_told_to_leave(void **state)
{
	PyObject *got;
	ev_timer timer;

	(void)state;
	ev_timer_init(&timer, on_leave, 0.02, 0.);
	ev_timer_start(ev, &timer);
	got = PyObject_CallMethod(selector, "select", "O", Py_None);
	assert_non_null(got);
	assert_int_equal(PyList_Size(got), 0);
	Py_DECREF(got);
}

/* A callback in C that takes away what has fired already, in the same turn. */
static void test_unregistered_while_it_fires(void **state)
{
	PyObject *got;
	ev_timer timer;

	(void)state;
	py("selector.register(a, EVENT_READ)\n"
	   "selector.register(b, EVENT_READ)\n"
	   "a.send(b'x')\n"
	   "b.send(b'x')\n"
	   "time.sleep(0.01)\n");
	code = "selector.unregister(a)\nselector.modify(b, EVENT_WRITE, 'now')\n";
	ev_timer_init(&timer, on_timer, 0., 0.);
	ev_set_priority(&timer, EV_MINPRI); /* after the two have fired */
	ev_timer_start(ev, &timer);
	got = PyObject_CallMethod(selector, "select", "d", 5.);
	python_set("got", got);
	Py_DECREF(got);
	/* What was asked for before is not told with what is asked for now. */
	py("assert got == [], got\n"
	   "assert selector.select(5) == [(selector.get_key(b), EVENT_WRITE)]\n"
	   "assert selector.get_key(b).data == 'now'\n");
}

/* References that C gives up while the GIL is dropped are given up when it is taken, all of them. */
static void on_many(struct ev_loop *loop, ev_timer *timer, int revents)
{
	PyObject **objects = timer->data;

	(void)loop;
	(void)revents;
	for (int i = 0; i < 1000; i++)
		fr_gil_decref(objects[i]);
	fr_selector_leave(selector);
}

static void test_references_without_the_gil(void **state)
{
	static PyObject *objects[1000];
	PyObject *one = PyUnicode_FromString("an object of our own"), *got;
	Py_ssize_t before = Py_REFCNT(one);
	ev_timer timer = { .data = objects };

	(void)state;
	for (int i = 0; i < 1000; i++)
		objects[i] = Py_NewRef(one);
	ev_timer_init(&timer, on_many, 0.01, 0.);
	timer.data = objects;
	ev_timer_start(ev, &timer);
	got = PyObject_CallMethod(selector, "select", "O", Py_None);
	assert_non_null(got);
	Py_DECREF(got);
	assert_int_equal(Py_REFCNT(one), before);
	Py_DECREF(one);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What fires, is registered anew and fires again before select() returns needs no more room for that. */
static void test_fired_twice_in_one_select(void **state)
{
	PyObject *fds;
	ev_timer timer;

	(void)state;
	py("b.send(b'x')\n"
	   "fds = [os.dup(a.fileno()) for _ in range(240)]\n"
	   "for fd in fds:\n"
	   "    selector.register(fd, EVENT_READ, fd)\n");
	fds = python_get("fds");
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(fds); i++)
		ev_feed_fd_event(ev, (int)PyLong_AsLong(PyList_GET_ITEM(fds, i)), EV_READ);
	ev_init(&timer, on_timer);
	ev_set_priority(&timer, -1); /* after them */
	code = "for fd in fds:\n"
	       "    selector.unregister(fd)\n"
	       "    selector.register(fd, EVENT_READ, fd)\n";
	ev_feed_event(ev, &timer, EV_TIMER);
	py("got = [key.data for key, _ in selector.select(0)]\n"
	   "assert got and len(got) == len(set(got)), got\n"
	   "for fd in fds:\n"
	   "    os.close(fd)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_register),
		TEST(test_what_can_not_be_registered),
		TEST(test_what_is_not_registered),
		TEST(test_select),
		TEST(test_timeouts),
		TEST(test_closed_meanwhile),
		TEST(test_closed_at_once),
		TEST(test_modified_after_it_was_closed),
		TEST(test_many_and_high_descriptors),
		TEST(test_close),
		TEST(test_collected),
		TEST(test_python_can_not_make_one),
		TEST(test_signals),
		TEST(test_it_sleeps_on),
		TEST(test_it_wakes_up),
		TEST(test_a_strange_loop),
		TEST(test_it_is_told_to_leave),
		TEST(test_unregistered_while_it_fires),
		TEST(test_fired_twice_in_one_select),
		TEST(test_references_without_the_gil),
	};

	return cmocka_run_group_tests(tests, python_start, python_stop);
}
