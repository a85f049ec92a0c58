"""A project on a PostgreSQL server: how it is named, and what happens where there is none."""

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.memories import Server
from thrifty.cli.main import app
from thrifty.errors import CapabilityError, RecipeError, RunError
from thrifty.project.project import init_project, open_project, template
from thrifty.project.settings import parse_settings
from thrifty.store.project import engines
from thrifty.store.project.database import Database
from thrifty.store.project.engines import Holder, PostgresDatabase, read_url
from thrifty.store.project.rows import Model
from thrifty.store.project.store import ProjectStore, Told

TOLD = Told("test", {}, "")
SETTINGS = template("shop", ("person",), {})


def named(url: str) -> str:
    """Settings that name a database."""
    return template("shop", ("person",), {}, url)


@pytest.mark.parametrize(
    "url",
    [
        "people",
        "http://db.example/people",
        "mysql://db.example/people",
        "postgresql://db.example",
        "postgresql://anna:secret@db.example",
        "postgresql://db.example:port/people",
    ],
)
def test_what_is_no_such_url_is_one_line_without_a_password(url: str) -> None:
    with pytest.raises(RunError, match="is no URL of a PostgreSQL database; give postgres") as told:
        read_url(url)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_password_is_neither_kept_in_the_settings_nor_shown() -> None:
    with pytest.raises(RecipeError, match="a password has no place in this file") as told:
        parse_settings(named("postgresql://anna:secret@db.example/people"), "thrifty.toml")
    assert "secret" not in str(told.value)
    assert "secret" not in PostgresDatabase("postgresql://anna:secret@db.example/people").name


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    init_project(tmp_path / "p", named("postgresql://anna@127.0.0.1:1/people"))
    with (
        pytest.raises(RunError, match="see that the server runs") as told,
        open_project(tmp_path / "p"),
    ):
        pass
    assert str(told.value).startswith("postgresql://anna@127.0.0.1:1/people: ")
    assert "\n" not in str(told.value)


def test_without_the_driver_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[postgresql\]'"):
        PostgresDatabase("postgresql://db.example/people")


def test_the_command_line_begins_one_and_the_environment_may_name_another(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = postgres.url(tmp_path / "a"), postgres.url(tmp_path / "b")
    begun = CliRunner().invoke(
        app, ["init", str(tmp_path / "p"), "--class", "person", "--database", first]
    )
    assert begun.exit_code == 0, begun.output
    assert f'database = "{first}"' in (tmp_path / "p" / "thrifty.toml").read_text()
    with open_project(tmp_path / "p") as project:
        project.store.note(project.told("greet"), {"here": 1})
    assert not (tmp_path / "p" / "project.sqlite").exists()
    with open_project(tmp_path / "p") as project:
        assert [event.outcome for event in project.store.events()] == [{"here": 1}]
    monkeypatch.setenv("THRIFTY_DATABASE", second)
    with open_project(tmp_path / "p") as project:
        assert project.store.events() == []


def test_two_that_open_an_empty_database_at_once_make_its_tables_once(holder: Holder) -> None:
    wrong: list[BaseException] = []

    def opened() -> None:
        try:
            Database(holder).close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall tell
            wrong.append(error)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_turn_that_was_cut_leaves_nothing_behind_and_is_one_line(
    postgres: Server, tmp_path: Path
) -> None:
    """Another may have had it meanwhile, and made the same model."""
    model = Model(0, "", "onnx:m.onnx", None, None, "digest", None, 0.0)
    with closing(Database(postgres.at(tmp_path))) as database:
        store = ProjectStore(database)
        store.note(TOLD, {})

        def work() -> None:
            with store.turn():
                store.check_turn()
                postgres.cut(tmp_path)
                # However often it is asked.
                for _ in range(2):
                    with pytest.raises(RunError, match="kept others from this work was cut"):
                        store.check_turn()
                store.add_model(model, (), TOLD)

        with pytest.raises(RunError, match="was cut, and one of them may have gone on") as told:
            work()
        assert "\n" not in str(told.value)
        assert not store.models()
        # The next turn is a turn again, and without one there is none to lose.
        with store.turn():
            store.add_model(model, (), TOLD)
        store.note(TOLD, {})
        assert len(store.events()) == 3


def test_a_turn_that_was_cut_hides_no_error(postgres: Server, tmp_path: Path) -> None:
    def work() -> None:
        postgres.cut(tmp_path)
        raise ZeroDivisionError

    with (
        closing(Database(postgres.at(tmp_path))) as database,
        pytest.raises(ZeroDivisionError),
        database.turn(lambda: None),
    ):
        work()


def test_a_server_that_goes_while_one_waits_is_one_line(postgres: Server, tmp_path: Path) -> None:
    holder = postgres.at(tmp_path)
    with (
        closing(Database(holder)) as one,
        closing(Database(holder)) as other,
        one.turn(lambda: None),
    ):
        with (
            pytest.raises(RunError, match="see that the server runs") as told,
            other.turn(lambda: postgres.cut(tmp_path)),
        ):
            pass
        assert "\n" not in str(told.value)


def test_connections_are_kept_alive_as_their_url_says(postgres: Server, tmp_path: Path) -> None:
    for url, seconds in (("", "60"), ("?keepalives_idle=7", "7")):
        engine = PostgresDatabase(postgres.url(tmp_path) + url).engine()
        with engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            asked = driver.info.get_parameters()
        engine.dispose()
        assert (asked["keepalives_idle"], asked["keepalives_count"]) == (seconds, "6")


WORKER = """
import sys
from contextlib import closing
from pathlib import Path
from thrifty.store.project.database import Database
from thrifty.store.project.engines import PostgresDatabase, SqliteFile
holder = SqliteFile(Path(sys.argv[1])) if sys.argv[1].startswith("/") else PostgresDatabase(sys.argv[1])
with closing(Database(holder)) as database, database.turn(lambda: None):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whoever_dies_at_work_lets_go_of_the_turn(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        place = str(tmp_path / "project.sqlite")
        holder: Holder = engines.SqliteFile(Path(place))
    else:
        server: Server = request.getfixturevalue("postgres")
        place = server.url(tmp_path)
        holder = PostgresDatabase(place)
    waited: list[bool] = []
    with closing(Database(holder)) as database:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "mine\n"

        def killed() -> None:
            waited.append(True)
            process.kill()
            process.wait()

        with database.turn(killed):
            assert waited == [True]
        process.stdout.close()
        process.stdin.close()
