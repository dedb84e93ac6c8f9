# SPDX-License-Identifier: Apache-2.0
"""Veo videos in Apache Airflow: submit, wait without a worker slot, store.

The way of one video::

    example_dags/                     a DAG author's parameters
      -> operators/veo.py             templates rendered, a request asked for
      -> api/request.py               parameters become one validated request          pure
      -> ledger/decision.py           what an earlier try has paid for is taken up     pure
      -> api/calls.py                 the request becomes one HTTP call                pure
      -> hooks/veo.py                 the call is sent: submit -> generation id        the only way to the gateway
      -> api/generation.py            an answer becomes one typed generation           pure
      -> triggers/veo.py              the id is polled, off the worker
      -> api/waiting.py               wait, done or give up is decided                 pure, both modes
      -> triggers/event.py            the outcome crosses back as one typed event
      -> operators/veo.py             event becomes result or exception
      -> api/result.py                a result's bytes: link or inline, as one stream  pure
      -> transfers/*.py               the stream goes to the user's own storage

Read the package in the order in which the data flows. Each module is in this list once: first what nearly all others
use, then each where the flow comes to it.

Words and tools::

    api/problem              what can go wrong, as data
    exceptions, raising      and as what a task fails with
    api/text                 texts from outside, fit to be read and shown
    operators/xcoms          by which names tasks know each other's facts
    compat                   what older versions of Airflow lack, and words of its own
    local_files              a file whole, or not at all
    api/locations            URIs of the user's own stores

An author asks for a video, and the request is complete and sound before anything is sent::

    request                  the fields as they are written in Python
    decorators/veo           or made by a function
    operators/veo            the task and its arguments
    operators/checks         what can be wrong with those when the DAG is parsed
    operators/requesting     what can be wrong with, or secret in, what was rendered
    operators/running        what the task does in one process, from here to the end
    api/request              the parameters become one validated request                  pure
    api/models, api/images   of which models, with which frames
    operators/frames         frames in the user's storage are read
    api/prices               what it costs

It is paid for once::

    operators/submitting     an earlier try's generation, or a new one
    operators/bookkeeping    what follows if the record can't be read or written
    ledger/record            what is known of a submit
    ledger/decision          what to do about it                                          pure
    ledger/stores            where it is kept: in Airflow's task state,
    ledger/folder            or in a folder
    ledger/reuse             what an equal request has made
    api/resending            when what was refused is sent again                          pure

The only way to the gateway::

    hooks/veo                submit -> generation id; poll -> what the gateway says
    hooks/airflow_connection, hooks/connection              from Airflow's connection
    hooks/extras, hooks/form, get_provider_info               its extras, its form
    api/calls                one call, one answer                                         pure
    hooks/http_sync          over requests, within
    hooks/time_limit, hooks/watch, hooks/silence, hooks/unpacking, hooks/patience             limits
    api/answer_reader, api/answer_scanner      videos inside an answer pass by            pure

What the gateway says::

    api/submission           an id, or what is known about a bill                         pure
    api/naming               what else may name what is billed
    api/generation           one typed generation, whatever the dialect                   pure
    api/failures             why there is no video
    api/errors, api/error_body, api/echoes                    errors of all shapes, without the key
    api/model_list           how a connection is tested

No worker waits::

    operators/waiting        over to the triggerer, and back
    triggers/veo             the generation is polled there
    hooks/veo_async          by a hook that can't submit,
    hooks/sharing            on one session for all of a connection
    hooks/http_async         over aiohttp
    api/asking, api/pace     no more than needed
    api/waiting              wait, done or give up                                        pure, both modes
    triggers/event           the outcome crosses back
    operators/story          and is told: in the log,
    operators/metrics, operators/links, operators/lineage                     to whom else
    sensors/veo              the same for what was submitted elsewhere

The video goes to the user's own storage::

    transfers/veo_to_s3, transfers/veo_to_object_storage      the tasks and their arguments
    transfers/base           what storing is, whatever the store
    transfers/stored         names, marks, facts
    transfers/storing        one video into its place
    transfers/ahead          read on while it is being stored
    hooks/links, hooks/link_rules              from where, and from where never
    api/result, api/mp4      one stream, whole or an error                                pure
    transfers/s3, transfers/object_storage     the stores
    transfers/media, transfers/asked           is it what was asked for
    transfers/posters, transfers/manifest, transfers/lineage  what else is told of it

And people see it::

    plugin                   the page in Airflow's UI
    ui/app, ui/access        routes, and who may
    ui/listing, ui/facts     what there is
    ui/serving, ui/stores, ui/lanes            the videos

``simulator`` plays the gateway in tests and demos, and imports nothing of the above.
"""

__version__ = "0.1.0"
