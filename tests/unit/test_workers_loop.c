/* The worker's asyncio loop: tasks whose first step runs at once, from a watcher of libev's. */
#include "tests/unit/python_world.h"

#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "workers/gil.h"
#include "workers/loop.h"

static struct fr_loop loop;

static int setup(void **state)
{
	if (python_names(state) < 0)
		return -1;
	if (fr_loop_init(&loop) < 0) {
		PyErr_Print();
		return -1;
	}
	python_set("loop", loop.loop);
	py("import asyncio, contextvars, gc, sys\n"
	   "log = []\n"
	   "variable = contextvars.ContextVar('variable', default='unset')\n"
	   "tasks = {}\n"
	   "def cancel():\n"
	   "    [task.cancel() for task in asyncio.all_tasks(loop)]\n");
	return 0;
}

static int teardown(void **state)
{
	py("loop = None\n"
	   "asyncio.set_event_loop(None)\n");
	fr_loop_fini(&loop);
	return python_forget(state);
}

/* What a watcher of libev's does, as an expression for the coroutine, and for its context. */
static const char *coro_code, *context_code;
static char error[512];

static PyObject *eval(const char *code)
{
	char text[512];

	snprintf(text, sizeof text, "value = %s\n", code);
	py(text);
	return python_get("value");
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
	PyObject *coro, *context, *task;

	(void)ev;
	(void)timer;
	(void)revents;
	fr_gil_take();
	context = context_code ? Py_NewRef(eval(context_code)) : NULL;
	coro = Py_NewRef(eval(coro_code));
	task = fr_loop_start_task(&loop, coro, context);
	if (!task)
		snprintf(error, sizeof error, "%s", py_error());
	assert_null(PyErr_Occurred());
	python_set("task", task ? task : Py_None);
	Py_XDECREF(task);
	Py_DECREF(coro);
	Py_XDECREF(context);
	/* Before anything else has run. */
	py("log.append(('back', task is not None and task.done()))\n");
}

/* Starts it from a watcher while the loop sleeps, and lets the loop run a little longer. */
static void start(const char *coro, const char *context)
{
	PyObject *done;
	ev_timer timer;

	coro_code = coro;
	context_code = context;
	error[0] = 0;
	ev_now_update(loop.ev);
	ev_timer_init(&timer, on_timer, 0.01, 0.);
	ev_timer_start(loop.ev, &timer);
	done = fr_loop_run_until(&loop, Py_NewRef(eval("asyncio.sleep(0.05)")));
	python_set("done", done);
	Py_DECREF(done);
}

static void test_the_first_step_runs_at_once(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    log.append('first')\n"
	   "    assert asyncio.current_task().get_name() == 'request'\n"
	   "    assert asyncio.get_running_loop() is loop\n"
	   "    await asyncio.sleep(0)\n"
	   "    log.append('second')\n"
	   "    return 7\n");
	start("work()", NULL);
	py("assert log == ['first', ('back', False), 'second'], log\n"
	   "assert task.result() == 7 and isinstance(task, asyncio.Task)\n");
}

static void test_it_may_end_at_once(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    return 8\n"
	   "async def fail():\n"
	   "    raise ValueError('no')\n");
	start("work()", NULL);
	py("assert log == [('back', True)] and task.result() == 8, log\n"
	   "log.clear()\n");
	start("fail()", NULL);
	py("assert log == [('back', True)] and str(task.exception()) == 'no', log\n");
}

/* What is scheduled in the first step comes in its order, after what was scheduled before. */
static void test_order(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    loop.call_soon(log.append, 1)\n"
	   "    other = asyncio.create_task(inner())\n"
	   "    loop.call_soon(log.append, 2)\n"
	   "    log.append('first')\n"
	   "    await other\n"
	   "async def inner():\n"
	   "    log.append('inner')\n");
	start("work()", NULL);
	py("assert log == ['first', ('back', False), 1, 'inner', 2], log\n"
	   "task.result()\n");
}

static void test_contexts(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    log.append(variable.get())\n"
	   "    variable.set('inside')\n"
	   "    await asyncio.sleep(0)\n"
	   "    log.append(variable.get())\n"
	   "given = contextvars.copy_context()\n"
	   "given.run(variable.set, 'given')\n");
	start("work()", "given");
	py("assert log == ['given', ('back', False), 'inside'], log\n"
	   "assert given[variable] == 'inside' and variable.get() == 'unset'\n"
	   "log.clear()\n");
	/* Without one it is a copy of the present one: nothing is seen outside. */
	start("work()", NULL);
	py("assert log == ['unset', ('back', False), 'inside'] and variable.get() == 'unset', "
	   "log\n");
}

/* Not a coroutine, or a context that is none: an exception, and nothing is caught the next time. */
static void test_what_can_not_be_started(void **state)
{
	(void)state;
	start("5", NULL);
	assert_string_equal(error, "TypeError: a coroutine was expected, got 5");
	py("async def work():\n"
	   "    log.append('ran')\n"
	   "log.clear()\n"
	   "async def soon():\n"
	   "    loop.call_soon(log.append, 'soon')\n"
	   "loop.run_until_complete(soon())\n"
	   "loop.run_until_complete(asyncio.sleep(0))\n"
	   "assert log == ['soon'], log\n"
	   "log.clear()\n");
	start("work()", NULL);
	py("assert log == ['ran', ('back', True)], log\n");
}

/* What asks the process to end ends the step, and is kept by the task. */
static void test_system_exit(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    raise SystemExit(3)\n"
	   "told = []\n"
	   "sys.unraisablehook = lambda info: told.append(info.exc_type)\n");
	start("work()", NULL);
	py("sys.unraisablehook = sys.__unraisablehook__\n"
	   "assert log == [('back', True)] and told == [SystemExit], (log, told)\n"
	   "assert task.exception().code == 3\n");
}

static void test_it_is_cancelled(void **state)
{
	(void)state;
	py("async def work():\n"
	   "    loop.call_soon(asyncio.current_task().cancel)\n"
	   "    try:\n"
	   "        await asyncio.sleep(10)\n"
	   "    finally:\n"
	   "        log.append('cancelled')\n");
	start("work()", NULL);
	py("assert log == [('back', False), 'cancelled'] and task.cancelled(), log\n");
}

static void test_run_until(void **state)
{
	PyObject *got;

	(void)state;
	py("async def fail():\n"
	   "    raise ValueError('no')\n"
	   "async def answer():\n"
	   "    return 9\n");
	got = fr_loop_run_until(&loop, Py_NewRef(eval("answer()")));
	assert_int_equal(PyLong_AsLong(got), 9);
	Py_DECREF(got);
	assert_null(fr_loop_run_until(&loop, Py_NewRef(eval("fail()"))));
	assert_string_equal(py_error(), "ValueError: no");
	PyErr_SetString(PyExc_KeyError, "it could not be made");
	assert_null(fr_loop_run_until(&loop, NULL));
	assert_string_equal(py_error(), "KeyError: 'it could not be made'");
}

static void run(int expected)
{
	assert_int_equal(fr_loop_run(&loop), expected);
	assert_null(PyErr_Occurred());
}

/* It does not go on. */
static void lets_out(const char *expected)
{
	assert_int_equal(fr_loop_run(&loop), -1);
	assert_string_equal(py_error(), expected);
}

static void test_run(void **state)
{
	(void)state;
	py("loop.call_soon(loop.stop)\n");
	run(0);
	assert_true(loop.life);
	py("async def work():\n"
	   "    log.extend(task.get_name() for task in asyncio.all_tasks() - "
	   "{asyncio.current_task()})\n"
	   "    loop.stop()\n"
	   "task = loop.create_task(work())\n");
	run(0);
	py("assert log == ['fastrapid'], log\n"
	   "def leave():\n"
	   "    raise SystemExit(3)\n"
	   "loop.call_soon(leave)\n");
	lets_out("SystemExit: 3");
}

/* It goes on under another task, unless it was to be left as well. */
static void test_all_tasks_are_cancelled(void **state)
{
	(void)state;
	py("loop.call_soon(cancel)\n");
	run(1);
	assert_null(loop.life);
	py("loop.call_soon(loop.stop)\n");
	run(0);
	assert_true(loop.life);
	py("def leave():\n"
	   "    cancel()\n"
	   "    loop.call_soon(lambda: loop.call_soon(stop))\n"
	   "def stop():\n"
	   "    raise SystemExit(4)\n"
	   "loop.call_soon(leave)\n");
	lets_out("SystemExit: 4");
	assert_null(loop.life);
}

/* Not all that it lets out says that it was stopped. */
static void test_a_signal_handler_raises(void **state)
{
	(void)state;
	py("import signal\n"
	   "def ring(number, frame):\n"
	   "    raise RuntimeError('rung')\n"
	   "before = signal.signal(signal.SIGALRM, ring)\n"
	   "signal.setitimer(signal.ITIMER_REAL, 0.01)\n");
	lets_out("RuntimeError: rung");
	py("signal.signal(signal.SIGALRM, before)\n"
	   "loop.call_soon(loop.stop)\n");
	run(0);
}

/* In the turn in which it is stopped anyhow: nothing is left that stops what runs next. */
static void test_cancelled_and_stopped(void **state)
{
	PyObject *got;

	(void)state;
	py("def both():\n"
	   "    cancel()\n"
	   "    loop.call_soon(loop.stop)\n"
	   "loop.call_soon(loop.call_soon, both) # once that task waits\n"
	   "async def answer():\n"
	   "    await asyncio.sleep(0.01)\n"
	   "    return 9\n");
	run(1);
	got = fr_loop_run_until(&loop, Py_NewRef(eval("answer()")));
	assert_int_equal(PyLong_AsLong(got), 9);
	Py_DECREF(got);
}

static void test_a_task_factory_is_not_asked(void **state)
{
	(void)state;
	py("def refuse(loop, coro, **keywords):\n"
	   "    raise ValueError('no tasks')\n"
	   "loop.set_task_factory(refuse)\n"
	   "loop.call_soon(loop.stop)\n");
	run(0);
}

/* What anyio ties to the loop's life: one thread serves many tasks, one after the other. */
static void test_threads_are_kept(void **state)
{
	(void)state;
	py("import anyio.to_thread, threading\n"
	   "used = set()\n"
	   "async def request():\n"
	   "    used.add(await anyio.to_thread.run_sync(threading.current_thread))\n"
	   "async def requests():\n"
	   "    for _ in range(20):\n"
	   "        await loop.create_task(request())\n"
	   "    loop.stop()\n"
	   "task = loop.create_task(requests())\n");
	run(0);
	py("assert len(used) == 1 and all(thread.is_alive() for thread in used), used\n"
	   "cancel()\n");
	run(1);
	py("for thread in used:\n"
	   "    thread.join(60)\n"
	   "    assert not thread.is_alive()\n");
}

/* Nothing holds it when it is over; what was closed can be closed again. */
static void test_the_end(void **state)
{
	(void)state;
	py("import weakref\n"
	   "gone = weakref.ref(loop)\n"
	   "loop.close()\n"
	   "loop = None\n"
	   "asyncio.set_event_loop(None)\n");
	fr_loop_fini(&loop);
	assert_null(loop.loop);
	assert_null(loop.ev);
	py("gc.collect()\n"
	   "assert gone() is None\n");
	assert_int_equal(fr_loop_init(&loop), 0);
	python_set("loop", loop.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_step_runs_at_once),
		TEST(test_it_may_end_at_once),
		TEST(test_order),
		TEST(test_contexts),
		TEST(test_what_can_not_be_started),
		TEST(test_system_exit),
		TEST(test_it_is_cancelled),
		TEST(test_run_until),
		TEST(test_run),
		TEST(test_all_tasks_are_cancelled),
		TEST(test_a_signal_handler_raises),
		TEST(test_cancelled_and_stopped),
		TEST(test_a_task_factory_is_not_asked),
		TEST(test_threads_are_kept),
		TEST(test_the_end),
	};

	return cmocka_run_group_tests(tests, python_start, python_stop);
}
