# SPDX-License-Identifier: Apache-2.0
"""Veo videos in Apache Airflow: submit, wait without a worker slot, store.

Read the package in the order in which the data flows::

    example_dags/                     a DAG author's parameters
      -> operators/veo.py             templates rendered, a request asked for
      -> api/request.py               parameters become one validated request          pure
      -> ledger/decision.py           what an earlier try has paid for is taken up     pure
      -> api/calls.py                 the request becomes one HTTP call                pure
      -> hooks/veo.py                 the call is sent: submit -> generation id        the only sockets
      -> api/generation.py            an answer becomes one typed generation           pure
      -> triggers/veo.py              the id is polled, off the worker
      -> api/waiting.py               wait, done or give up is decided                 pure, both modes
      -> triggers/event.py            the outcome crosses back as one typed event
      -> operators/veo.py             event becomes result or exception
      -> api/result.py                a result's bytes: link or inline, as one stream  pure
      -> transfers/*.py               the stream goes to the user's own storage
"""

__version__ = "0.1.0"
