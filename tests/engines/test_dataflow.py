"""Options for Dataflow pass through and are checked. Nothing runs on Dataflow here, and Google is never asked."""

import pytest

from edgequant.errors import ConfigError
from edgequant.sampling.beam_options import parse_options

pytestmark = [pytest.mark.engines, pytest.mark.timeout(60)]
REQUIRED = (
    "--project=my-project",
    "--region=europe-west1",
    "--temp_location=gs://my-bucket/temp",
    "--sdk_container_image=registry.example.com/edgequant/sampling:0.1.0",
)


@pytest.mark.usefixtures("gs_bucket")
def test_options_pass_through() -> None:
    """A valid set of options is taken as it is; only the bucket is asked about, which is an emulator's here."""
    more = ["--machine_type=n2-standard-4", "--max_num_workers=8", "--experiments=use_runner_v2", "--no_use_public_ips"]
    options = parse_options(["--runner=DataflowRunner", *REQUIRED, *more]).get_all_options()
    assert options["runner"] == "DataflowRunner"
    assert options["project"] == "my-project"
    assert options["region"] == "europe-west1"
    assert options["temp_location"] == "gs://my-bucket/temp"
    assert options["sdk_container_image"] == "registry.example.com/edgequant/sampling:0.1.0"
    assert options["machine_type"] == "n2-standard-4"
    assert options["max_num_workers"] == 8
    assert "use_runner_v2" in options["experiments"]
    assert options["use_public_ips"] is False


@pytest.mark.parametrize("missing", [option.partition("=")[0] for option in REQUIRED])
def test_what_dataflow_needs(missing: str) -> None:
    """Each option that is missing is named, before anything is asked or made: Beam itself would make a bucket."""
    given = [option for option in REQUIRED if not option.startswith(missing)]
    with pytest.raises(ConfigError, match=rf"^beam: .*{missing}"):
        parse_options(["--runner=DataflowRunner", *given])


@pytest.mark.parametrize("location", ["/tmp/here", "gs://UPPER/temp", "s3://bucket/temp"])  # noqa: S108 - a path of no use
def test_a_temp_location_that_is_no_bucket(location: str) -> None:
    """Dataflow's workers reach Google's buckets only."""
    given = [option for option in REQUIRED if not option.startswith("--temp_location")]
    with pytest.raises(ConfigError, match=r"^beam: .*temp_location"):
        parse_options(["--runner=DataflowRunner", *given, f"--temp_location={location}"])
