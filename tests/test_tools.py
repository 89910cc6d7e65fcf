"""Tools are found where they are named, and nowhere else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedcode.errors import BookError
from embedcode.tools import Mention, ToolFinder
from embedcode.types import Tool

LEXICON = Path(__file__).parent.parent / "anchors" / "tools.csv"


def _cells(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)


def _read() -> list[Tool]:
    lines = [line for line in LEXICON.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [
        Tool(
            row["tool"],
            row["code"],
            _cells(row["aliases"]),
            row["match"],
            _cells(row["for"]),
            _cells(row["against"]),
        )
        for row in csv.DictReader(lines)
    ]


TOOLS = _read()
FINDER = ToolFinder(TOOLS)


def names(text: str) -> list[str]:
    return [TOOLS[m.tool].name for m in FINDER.find(text)]


def texts(text: str) -> list[str]:
    return [text[m.start : m.end] for m in FINDER.find(text)]


# Ambiguous names: (name, sentence) where the sentence names the tool ...
FOR = [
    ("Go", "Ruime ervaring met Go of Rust."),
    ("Go", "You write services in Java, Go and Kotlin."),
    ("Go", "We are looking for a Go developer with five years of practice."),
    ("Go", "Programming languages: Go, C#, PHP"),
    ("Go", "Our backend is a monolith (Go) with a React client."),
    ("Go", "Kennis van Go is een pre."),
    ("Go", "SENIOR GO ENGINEER"),
    ("Go", "python, go, typescript"),
    ("Go", "You use TypeScript and Go to build our billing engine."),
    ("Go", "Stack\n- Go\n- PostgreSQL\n- Docker"),
    ("R", "Je programmeert in R of Python."),
    ("R", "Statistical packages: SAS, R, Stata."),
    ("R", "Experience with R for survey analysis."),
    ("R", "R/Python"),
    ("R", "Strong skills in SQL and R."),
    ("R", "Goede kennis van R en SPSS"),
    ("R", "R-ervaring en kennis van SQL zijn vereist"),
    ("R", "Build forecasts in R."),
    ("C", "You know C and C++."),
    ("C", "Embedded software in C for motor controllers."),
    ("C", "Programming in C, Ada and VHDL"),
    ("C", "Languages: C, Java"),
    ("C", "firmware schrijven in de taal C"),
    ("Rust", "Experience with Rust or another systems language."),
    ("Rust", "Wij bouwen onze engine in Rust en Python."),
    ("Rust", "Rust developer, remote"),
    ("Rust", "Je hebt ervaring met Rust."),
    ("Swift", "iOS apps in Swift and Kotlin"),
    ("Swift", "You know Swift, UIKit and Xcode."),
    ("Swift", "Ontwikkelen met Swift voor iOS."),
    ("Scala", "Data pipelines in Scala and Spark"),
    ("Scala", "Scala of Java kennis"),
    ("Scala", "Ervaring met Scala en Kafka"),
    ("Julia", "numerical code in Julia, Python or MATLAB"),
    ("Dart", "Flutter apps in Dart"),
    ("Spark", "Process terabytes with Spark and Kafka."),
    ("Spark", "Ervaring met Spark op een Hadoop-cluster"),
    ("Spark", "Experience using Spark for large data."),
    ("Spark", "Tools: Airflow, Spark, dbt"),
    ("Ray", "Distributed training with Ray on GPU clusters"),
    ("Ray", "serving stack: vLLM, Ray, Kubernetes"),
    ("Plotly", "Dashboards with Dash or Streamlit"),
    ("ChromaDB", "Vector stores such as Chroma, Pinecone"),
    ("ChromaDB", "RAG with LangChain and Chroma"),
    ("Cursor", "We code with Cursor and Claude Code daily."),
    ("Cursor", "Je werkt met AI-tools zoals Cursor of Copilot."),
    ("Cursor", "AI coding assistants (Cursor, Windsurf)"),
    ("Claude", "LLMs such as Claude and GPT-4"),
    ("Claude", "Je bouwt agents met Claude."),
    ("Claude", "models from OpenAI, Claude, Gemini"),
    ("Gemini", "Prompts for Gemini and Llama models"),
    ("Gemini", "Ervaring met GPT, Claude of Gemini"),
    ("Llama", "Fine-tune Llama 3 on our tickets."),
    ("Llama", "open modellen zoals Llama en Mistral"),
    ("Make", "Automations in Make, n8n or Zapier"),
    ("Make", "workflows bouwen in Zapier en Make"),
    ("Microsoft Teams", "Bots for Slack and Teams"),
    ("Excel", "Good knowledge of Excel and PowerPoint"),
    ("Excel", "Uitstekende vaardigheden in Excel"),
    ("Excel", "advanced Excel (pivot tables, VBA)"),
    ("Word", "MS Office: Excel, Word, Outlook"),
    ("Access", "databases in SQL Server and Access"),
    ("Apache Beam", "streaming with Beam on Dataflow"),
    ("Notion", "Our tools: Notion, Jira, Figma"),
    ("Linear", "tickets in Linear or Jira, chat in Slack"),
    ("Jest", "Unit tests with Jest and Cypress"),
    ("Helm", "Deploy with Helm on Kubernetes"),
    ("Helm", "Ervaring met Docker, Helm en ArgoCD"),
    ("Chef", "Configuration management: Ansible, Puppet or Chef"),
    ("Puppet", "Puppet, Terraform and Ansible"),
    ("SaltStack", "Ansible/Salt/Puppet"),
    ("Arize Phoenix", "LLM tracing with Phoenix, Langfuse or LangSmith"),
    ("Express.js", "Node.js, Express, MongoDB"),
    ("Spring", "Java with Spring and Hibernate"),
    ("Gin Gonic", "Golang services with Gin and gRPC"),
    ("Oracle", "SQL on Oracle and PostgreSQL"),
    ("Oracle", "Ervaring met Oracle databases"),
    ("Temporal", "durable workflows with Temporal and Kafka"),
    ("AWS Glue", "AWS: Glue, Athena, S3"),
    ("Athena", "AWS: Glue, Athena, S3"),
    ("Delta Lake", "Databricks, Delta and Unity Catalog"),
    ("Prophet", "time series with Prophet and ARIMA in Python"),
    ("Hugging Face Transformers", "PyTorch, Transformers, PEFT"),
    ("Microsoft Fabric", "Data platform on Azure with Fabric and Power BI"),
    ("Render", "hosting on Vercel, Render or Railway"),
    ("Bolt", "prototypes with Lovable, Bolt and v0"),
    ("Whisper", "speech recognition with Whisper and Python"),
    ("Flux", "images with Midjourney, Flux and ComfyUI"),
    ("Triton Inference Server", "model serving: Triton, TorchServe"),
    ("Stan", "Bayesian models in Stan or PyMC"),
    ("Go", "Microservices in Go, with gRPC between them."),
    ("Go", "Je schrijft backend services in Go."),
    ("Go", "Wij zoeken een Go developer voor ons platform in Utrecht."),
    ("Go", "Bonus: experience with Go or Elixir"),
    ("Go", "Talen: Python, Go en Java"),
    ("R", "Analyses in R en SPSS, rapporten in Word."),
    ("R", "You script in R, Python or Julia."),
    ("R", "Ervaring met R of Python is een must."),
    ("R", "Statistische modellen bouwen met R"),
    ("C", "Embedded development in C en C++"),
    ("C", "Je programmeert microcontrollers in C of Rust."),
    ("C", "Low-level code in C and assembly"),
    ("Spark", "Je bouwt ETL-pijplijnen met Spark en Kafka."),
    ("Spark", "Batch jobs on Spark clusters in Databricks"),
    ("Spark", "Kennis van Spark, Hive of Hadoop"),
    ("Spark", "Ervaring met Spark of Flink"),
    ("Ray", "Ervaring met Ray of Dask"),
    ("Confluence", "Documenteren in Confluence of SharePoint"),
    ("Power Automate", "Power Apps en Microsoft Flow"),
    ("Power Automate", "automations in Microsoft Flow or Zapier"),
    ("Swift", "Native iOS development with Swift or Objective-C"),
    ("Swift", "Je ontwikkelt apps in Swift en Kotlin."),
    ("Ray", "Scale training jobs with Ray, Dask or Spark"),
    ("Ray", "Ervaring met Ray en Kubernetes voor het trainen van modellen"),
    ("Ray", "frameworks such as Ray and DeepSpeed"),
    ("Plotly", "Interactive apps in Dash, Plotly or Streamlit"),
    ("Plotly", "Je maakt dashboards met Dash of Shiny."),
    ("Plotly", "Data apps: Streamlit, Dash, Gradio"),
    ("ChromaDB", "vector databases (Chroma, Weaviate, Qdrant)"),
    ("ChromaDB", "Ervaring met een vector database zoals Chroma of Milvus"),
    ("ChromaDB", "Embeddings in FAISS or Chroma"),
    ("Cursor", "AI-native development with Cursor, Claude Code and Copilot"),
    ("Cursor", "Ervaring met GitHub Copilot of Cursor is een pre."),
    ("Cursor", "You use tools like Cursor to ship faster."),
    ("Claude", "Je werkt dagelijks met ChatGPT en Claude."),
    ("Claude", "API integrations with Claude, GPT-4 and Mistral"),
    ("Claude", "prompts schrijven voor Claude of GPT-modellen"),
    ("Gemini", "Je bouwt chatbots op Gemini en Vertex AI."),
    ("Gemini", "foundation models (Gemini, GPT, Claude)"),
    ("Gemini", "Ervaring met LLM's zoals Gemini"),
    ("Llama", "Self-hosted models: Llama, Mistral, Qwen"),
    ("Llama", "Je traint Llama modellen met LoRA."),
    ("Llama", "serve Llama with vLLM"),
    ("Make", "Low-code automations with Make or n8n"),
    ("Make", "Automatiseringen in Make, Zapier of Power Automate"),
    ("Make", "no-code tools zoals Make en Airtable"),
    ("Microsoft Teams", "Office 365: Outlook, Teams, SharePoint"),
    ("Microsoft Teams", "Kennis van Microsoft 365, SharePoint en Teams"),
    ("Microsoft Teams", "Bots in MS Teams"),
    ("Excel", "Kennis van Excel en Power BI"),
    ("Excel", "Reports in Excel, SQL and Tableau"),
    ("Excel", "Je bent handig met Excel."),
    ("Rust", "Systems programming in Rust, C or C++"),
    ("Rust", "Je programmeert in Rust of Go."),
    ("Rust", "Kennis van Rust is een pre."),
    ("Julia", "Experience with Julia, R or MATLAB"),
    ("Julia", "Ervaring met Python of Julia"),
    ("Julia", "Talen zoals Python, R en Julia"),
    ("Scala", "JVM languages: Java, Scala, Kotlin"),
    ("Scala", "Je schrijft Spark jobs in Scala."),
    ("Scala", "Functional programming in Scala or Haskell"),
    ("Apache Beam", "Pipelines with Apache Beam and Dataflow"),
    ("Apache Beam", "data processing in Spark, Flink or Beam"),
    ("Apache Beam", "Ervaring met Beam of Flink"),
    ("Airtable", "Workflows in Airtable and Zapier"),
    ("Airtable", "Je beheert data in Airtable."),
    ("Airtable", "Airtable, Notion of Coda"),
    ("Notion", "Documentatie in Notion of Confluence"),
    ("Notion", "We plan in Notion and Slack."),
    ("Notion", "automate work between Airtable, Notion and Slack"),
    ("Linear", "Issue tracking in Jira, Linear or GitHub"),
    ("Linear", "Wij werken met Linear, Slack en Notion."),
    ("Jest", "Je schrijft tests met Jest, Playwright of Cypress."),
    ("Jest", "Test frameworks: Mocha, Jest"),
    ("Jest", "React, TypeScript, Jest"),
    ("Dart", "Mobiele apps in Flutter en Dart"),
    ("Helm", "Terraform, Helm en Kubernetes"),
    ("Helm", "Kubernetes manifests and Helm charts"),
    ("Express.js", "REST APIs met Node.js en Express"),
    ("Spring", "Java, Spring en Hibernate"),
    ("Oracle", "databases zoals Oracle en SQL Server"),
    ("Microsoft Fabric", "Ervaring met Power BI, Fabric en Synapse"),
    ("Whisper", "transcribe calls with Whisper"),
    ("Prophet", "voorspellingen met Prophet of XGBoost"),
    ("Temporal", "workflow engines such as Temporal or Airflow"),
    ("Bolt", "AI app builders: Bolt, Lovable"),
    ("Word", "Kennis van Word, Excel en PowerPoint"),
    ("Access", "MS Office (Excel, Access, Word)"),
    ("Puppet", "Ansible, Chef of Puppet"),
    ("Delta Lake", "Spark, Delta en Parquet"),
]  # fmt: skip

# ... and where it does not.
AGAINST = [
    ("Go", "Go to our website and apply today."),
    ("Go", "You help customers go live with Python."),
    ("Go", "Own the go-to-market of our SQL product."),
    ("Go", "We go the extra mile for our Azure customers."),
    ("Go", "Go-live support for SAP and SQL Server"),
    ("Go", "Support the Go-to-market strategy using Power BI."),
    ("Go", "Python skills that go beyond the basics"),
    ("Go", "Jouw ideeën mogen hier go krijgen"),
    ("R", "Our R&D team uses Python."),
    ("R", "R & D in machine learning"),
    ("R", "Contact: R. Jansen, or see our Python blog"),
    ("R", "Mail naar de heer P.R. de Vries"),
    ("R", "H&R department"),
    ("C", "Present results to C-level stakeholders in Power BI."),
    ("C", "After our Series C we scale the Python team."),
    ("C", "vitamin C and other supplements"),
    ("C", "Rijbewijs C is vereist, kennis van SQL niet"),
    ("C", "advise the C-suite on tools"),
    ("C", "USB-C dock and a laptop with Linux"),
    ("C", "you know C# well"),
    ("Rust", "Bij ons vind je rust en ruimte."),
    ("Rust", "Rust en regelmaat vinden wij belangrijk."),
    ("Rust", "we trust our engineers"),
    ("Swift", "We expect a swift response to incidents in Azure."),
    ("Swift", "process SWIFT payments with SQL"),
    ("Scala", "een breed scala aan tools zoals Python"),
    ("Julia", "Vragen? Mail onze recruiter Julia via de Python-groep"),
    ("Spark", "You spark curiosity in others."),
    ("Spark", "Ideas that spark change with Python"),
    ("Spark", "Spark joy in your team."),
    ("Ray", "X-Ray images of Python-driven scanners"),
    ("Ray", "an array of benefits"),
    ("Plotly", "dashboards in Tableau"),
    ("Plotly", "DoorDash and Python"),
    ("Cursor", "move the mouse cursor"),
    ("Claude", "a painting by Claude Monet"),
    ("Gemini", "consultants of Capgemini"),
    ("Make", "Make sure that our Python code runs."),
    ("Make", "You make an impact with n8n."),
    ("Make", "Make decisions based on SQL reports."),
    ("Make", "We Make It happen with Zapier"),
    ("Microsoft Teams", "You work in cross-functional teams with Slack."),
    ("Microsoft Teams", "Teams of five engineers write Java."),
    ("Microsoft Teams", "onze Agile teams werken met Jira"),
    ("Excel", "You excel at explaining Python."),
    ("Excel", "an environment where you excel, using SQL"),
    ("Word", "Word jij onze nieuwe Python developer?"),
    ("Word", "Je wordt begeleid door seniors."),
    ("Word", "spread the word about Excel"),
    ("Access", "Access to a budget for Python courses"),
    ("Access", "You manage data access in Snowflake."),
    ("Access", "role based access control in SQL Server"),
    ("Apache Beam", "tune beam search in PyTorch"),
    ("Notion", "the notion of fairness in Python models"),
    ("Linear", "Linear regression in Python"),
    ("Linear", "know linear algebra and NumPy"),
    ("Jest", "said in jest"),
    ("Helm", "You are at the helm of our Azure team."),
    ("Chef", "lunch by our chef, beer and Slack jokes"),
    ("Puppet", "a puppet theatre"),
    ("SaltStack", "pepper and salt"),
    ("Arize Phoenix", "our office in Phoenix, AZ, uses Java"),
    ("Express.js", "Express interest by mail; mention Java."),
    ("Express.js", "American Express uses Java."),
    ("Spring", "an internship in spring 2026 with Python"),
    ("Gin Gonic", "engineering and beginning"),
    ("Temporal", "temporal reasoning in Python"),
    ("Temporal", "spatio-temporal models in PyTorch"),
    ("AWS Glue", "You are the glue between teams."),
    ("Athena", "the goddess Athena"),
    ("Delta Lake", "the delta between plan and result"),
    ("Render", "React components that render quickly"),
    ("Bolt", "a bolt-on acquisition"),
    ("Windows", "long context windows in Llama"),
    ("Segment", "Segment customers with Python."),
    ("Census", "the national census in R"),
    ("Terraform", "terraforming Mars"),
    ("BUGS", "fix bugs in Python"),
    ("ELK", "elk jaar een nieuwe laptop met Linux"),
    ("BERT", "Bel Bert voor vragen over Java."),
    ("SAP", "verse sap en fruit"),
    ("Copilot", "We build a copilot for lawyers."),
    ("OR-Tools", "languages or tools"),
    ("Unleash", "Unleash your potential with Python."),
    ("Azure ML", "AzureMLops"),
    ("Git", "digital"),
    ("SAS", "saskia"),
    ("LIME", "lime and soda"),
    ("Hive", "archive"),
    ("Cloudflare KV", "KV cache tuning in vLLM"),
    ("GitHub", "Send a link to your GitHub with the letter."),
    ("OpenAI", "Our founders are former OpenAI staff."),
    ("Google", "Our team comes from Google, among others."),
    ("Go", "Are you ready to go for it with our Azure team?"),
    ("Go", "On the go? Apply with your phone and your Python portfolio."),
    ("Go", "Let's go!"),
    ("Go", "Je krijgt een go of no-go na de tweede ronde."),
    ("Go", "As we go to market with our AWS platform, you grow."),
    ("Go", "The models that go into production run on Docker."),
    ("R", "Afdeling R&D zoekt een Java-ontwikkelaar."),
    ("R", "Stuur je cv naar J.R. Bakker."),
    ("R", "Vragen? Bel dhr. R. de Boer."),
    ("C", "Series C scale-up with a Python backend"),
    ("C", "Je rapporteert aan het C-level in Power BI."),
    ("C", "Categorie C rijbewijs"),
    ("C", "We pay class C shares."),
    ("Spark", "Breng jij de Spark in ons team?"),
    ("Spark", "A spark of curiosity helps."),
    ("Spark", "Projects that spark your interest"),
    ("Spark", "spark plugs for engines"),
    ("Swift", "Swift action is what our clients expect."),
    ("Swift", "a swift and fair hiring process"),
    ("Swift", "Taylor Swift on the office radio"),
    ("Ray", "Ray, our founder, started with Excel sheets."),
    ("Ray", "a ray of light"),
    ("Ray", "x-ray images"),
    ("Plotly", "A quick dash to the train"),
    ("Plotly", "monitoring dashboard in Grafana"),
    ("Plotly", "een dash peper"),
    ("ChromaDB", "the chroma of a colour"),
    ("ChromaDB", "chromatography in the lab, with R scripts"),
    ("Cursor", "cursor-based pagination in our API"),
    ("Cursor", "de cursor op het scherm"),
    ("Cursor", "database cursors in PL/SQL"),
    ("Claude", "Jean-Claude leads the Python guild."),
    ("Claude", "Claude Monet"),
    ("Gemini", "Capgemini zoekt een Java developer."),
    ("Gemini", "zodiac signs such as gemini and leo"),
    ("Gemini", "gemini south telescope"),
    ("Llama", "a farm with a llama and sheep"),
    ("Llama", "een lama in de wei"),
    ("Make", "Make an impact from day one."),
    ("Make", "Samen make we het verschil"),
    ("Make", "You make data useful with SQL."),
    ("Make", "Make the most of Azure."),
    ("Make", "Help us make Python better."),
    ("Make", "we make sure every voice counts"),
    ("Microsoft Teams", "Teams in Amsterdam and Berlin use Kubernetes."),
    ("Microsoft Teams", "Je werkt in kleine teams aan Azure."),
    ("Microsoft Teams", "Product teams own their Terraform."),
    ("Microsoft Teams", "data teams"),
    ("Excel", "Wij helpen je te excelleren."),
    ("Excel", "people who excel in Java"),
    ("Excel", "We excel in service."),
    ("Excel", "You excel under pressure, and like Linux."),
    ("Rust", "Werken in alle rust."),
    ("Rust", "In onze stilteruimte vind je rust."),
    ("Rust", "protect steel against rust"),
    ("Rust", "Jij brengt rust in het team en kent SQL."),
    ("Rust", "Rust, reinheid en regelmaat."),
    ("Julia", "Julia from HR calls you."),
    ("Julia", "Met vragen kun je terecht bij Julia."),
    ("Scala", "Een scala aan mogelijkheden."),
    ("Scala", "een rijk scala van projecten in Java"),
    ("Scala", "scalable pipelines"),
    ("Apache Beam", "beam-forming antennas with C++"),
    ("Apache Beam", "stalen beams"),
    ("Apache Beam", "the Beam building in Amsterdam"),
    ("Notion", "no notion of time"),
    ("Notion", "The notion that data speaks for itself"),
    ("Linear", "linear models in R"),
    ("Linear", "Linear algebra and calculus"),
    ("Linear", "non-linear optimisation with Python"),
    ("Linear", "lineair programmeren"),
    ("Jest", "No jest, we mean it."),
    ("Jest", "a jester"),
    ("Dart", "een potje darten na Python-training"),
    ("Dart", "a dart board in the office"),
    ("Helm", "Met jou aan het helm"),
    ("Helm", "a helmet"),
    ("Express.js", "We express our values in code."),
    ("Express.js", "express delivery of parcels, planned in Python"),
    ("Express.js", "Holiday Inn Express"),
    ("Spring", "Start in spring 2026."),
    ("Spring", "spring break"),
    ("Oracle", "an oracle of wisdom"),
    ("Whisper", "whisper it softly"),
    ("Prophet", "a prophet in his own land"),
    ("Temporal", "temporal patterns in sensor data, in Python"),
    ("Bolt", "nuts and bolts of SQL"),
    ("Bolt", "Usain Bolt"),
    ("Word", "Word jij blij van Python?"),
    ("Word", "Wil je Word-of-mouth?"),
    ("Word", "Word onderdeel van ons team met kennis van Azure."),
    ("Access", "Access to AWS credits"),
    ("Access", "je krijgt access tot onze data"),
    ("Access", "open access journals"),
    ("Puppet", "a puppet show"),
    ("Delta Lake", "Delta Air Lines"),
    ("Delta Lake", "de delta van de Rijn"),
    ("Microsoft Fabric", "the fabric of society"),
    ("Microsoft Fabric", "fabrics and textiles"),
    ("Microsoft Fabric", "a data fabric in Azure"),
    ("Render", "server-side rendering in React"),
    ("Render", "render pages in React"),
    ("Chef", "Onze chef kookt elke dag."),
    ("Flux", "in constant flux"),
    ("Stan", "Stan de Vries is je manager en kent Python."),
    ("Spark", "a spark of creativity, and some Python"),
    ("Ray", "a ray of hope"),
    ("Confluence", "at the confluence of research and SQL"),
    ("Notion", "You have a notion of Python."),
    ("Power Automate", "a steady flow of SQL queries"),
    ("Power Automate", "In de flow van ons agile team"),
    ("Metaflow", "the flow of data through Kafka"),
    ("Airflow", "air flow in a wind tunnel"),
    ("Airflow", "airflow sensors in HVAC systems"),
    ("Airtable", "airtight tables in SQL"),
    ("Airtable", "fair table of wages"),
]  # fmt: skip


AMBIGUOUS = (
    *("Go", "R", "C", "Spark", "Swift", "Ray", "Plotly", "ChromaDB", "Cursor", "Claude", "Gemini", "Llama", "Make"),
    *("Microsoft Teams", "Excel", "Rust", "Julia", "Scala", "Power Automate", "Apache Beam", "Airtable", "Notion"),
    *("Linear", "Jest"),
)
"""Names that are ordinary words too; Dash goes by Plotly, Chroma by ChromaDB, Flow by Power Automate."""


def test_enough_sentences() -> None:
    assert len({*FOR, *AGAINST}) == len(FOR) + len(AGAINST) >= 300
    for name in AMBIGUOUS:
        assert sum(n == name for n, _ in FOR) >= 2, name
        assert sum(n == name for n, _ in AGAINST) >= 2, name


@pytest.mark.parametrize(("name", "sentence"), FOR)
def test_context_for(name: str, sentence: str) -> None:
    assert name in names(sentence)


@pytest.mark.parametrize(("name", "sentence"), AGAINST)
def test_context_against(name: str, sentence: str) -> None:
    assert name not in names(sentence)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C++, C# and F#", ["C++", "C#", "F#"]),
        ("C++/C#", ["C++", "C#"]),
        (".NET, ASP.NET en .NET Core", [".NET", "ASP.NET", ".NET Core"]),
        ("C#.NET", ["C#", ".NET"]),
        ("Node.js/React.js/Vue.js", ["Node.js", "React", "Vue.js"]),
        ("nodejs, VueJS, next js", ["Node.js", "Vue.js", "Next.js"]),
        ("(Python)", ["Python"]),
        ("Python,SQL;Java|Scala", ["Python", "SQL", "Java", "Scala"]),
        ("Spark/SQL", ["Spark", "SQL"]),
        ("Spark SQL", ["Spark SQL"]),
        ("PL/SQL en T-SQL", ["PL/SQL", "T-SQL"]),
        ("Weights & Biases (W&B)", ["Weights & Biases", "Weights & Biases"]),
        ("#Python #AWS", ["Python", "AWS"]),
        ("Python.", ["Python"]),
        ("Python's ecosystem, AWS\u2019s console", ["Python", "AWS"]),
        ("\u201cDocker\u201d \u2013 \u2018Kubernetes\u2019", ["Docker", "Kubernetes"]),
        ("CI/CD, REST, JSON, Agile, ETL, NoSQL", []),
        ("AI, ML, LLM, RAG, API, cloud", []),
        ("pub/sub and Google Pub/Sub", ["Google Pub/Sub", "Google Pub/Sub"]),
        ("D3.js", ["D3.js"]),
        ("scikit-learn, scikit learn, Scikit_Learn, sklearn", ["scikit-learn"] * 4),
        ("scikit\u2011learn and Power\u00a0BI", ["scikit-learn", "Power BI"]),
        ("PowerBI, Power-BI, power bi", ["Power BI"] * 3),
        ("HuggingFace, Hugging Face, Hugging-Face", ["Hugging Face"] * 3),
        ("Lang Chain and LangChain", ["LangChain", "LangChain"]),
        ("Google Cloud Platform (GCP)", ["GCP", "GCP"]),
        ("Azure OpenAI", ["Azure OpenAI"]),
        ("Azure DevOps, Azure", ["Azure DevOps", "Azure"]),
        ("React Native", ["React Native"]),
        ("GitHub Actions and GitHub Copilot", ["GitHub Actions", "GitHub Copilot"]),
        ("AWS EKS", ["EKS"]),
        ("MySQL and MongoDB", ["MySQL", "MongoDB"]),
        ("index.html", []),
        ("skills.Python", ["Python"]),
        ("jobs@python.example", []),
        ("www.github.com", []),
        ("github.com/acme", []),
        ("Make.com", ["Make"]),
    ],
)  # fmt: skip
def test_punctuation_and_spelling(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python3", [("Python", "Python3")]),
        ("Python 3.11 and SQL", [("Python", "Python 3.11"), ("SQL", "SQL")]),
        ("Java17", [("Java", "Java17")]),
        ("C++17", [("C++", "C++17")]),
        ("Angular2+", [("Angular", "Angular2+")]),
        ("GPT-4-turbo", [("GPT", "GPT-4-turbo")]),
        ("GPT-4o and GPT 3.5", [("GPT", "GPT-4o"), ("GPT", "GPT 3.5")]),
        ("Llama 3.1 70B model", [("Llama", "Llama 3.1")]),
        ("Claude 3.5 Sonnet", [("Claude", "Claude 3.5 Sonnet")]),
        ("5 jaar Python 5 jaar Java", [("Python", "Python"), ("Java", "Java")]),
        ("Azure 3+ years", [("Azure", "Azure")]),
        ("SQL2", [("SQL", "SQL2")]),
    ],
)  # fmt: skip
def test_versions(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(zip(names(text), texts(text), strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python-ervaring", ["Python"]),
        ("Azure-omgeving", ["Azure"]),
        ("SQL-kennis en Docker-containers", ["SQL", "Docker"]),
        ("Pythonontwikkelaar", ["Python"]),
        ("Azureomgeving", ["Azure"]),
        ("Javascriptkennis", ["JavaScript"]),
        ("Pythonista", []),
        ("Javanese", []),
        ("SQLite", ["SQLite"]),
        ("Exceltraining", []),
        ("MyPython", []),
        ("3Docker", []),
        ("\u0130Python", []),
        ("Python\u0142", []),
        ("\u4e2dPython", []),
        ("na\u00efefPython", []),
    ],
)
def test_boundaries_and_compounds(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_offsets_are_code_points() -> None:
    text = "\U0001f680 \u0130\u0130 \u00e9\u00e9n team \u2013 Python, \U0001f40d C++ en Azure."
    assert [(m.start, m.end) for m in FINDER.find(text)] == [(16, 22), (26, 29), (33, 38)]
    assert texts(text) == ["Python", "C++", "Azure"]


def test_every_mention_is_given() -> None:
    assert names("Python, SQL; later Python again") == ["Python", "SQL", "Python"]


def test_employer_is_not_a_tool_it_asks_for() -> None:
    text = "At Databricks, we help data teams.\nYou know Python.\nDatabricks is an equal opportunity employer."
    assert names(text) == ["Python"]
    assert names("At Databricks, we like tools.\nTools: Spark, Databricks, Python") == [
        "Spark",
        "Databricks",
        "Python",
    ]


def test_empty() -> None:
    assert FINDER.find("") == []
    assert ToolFinder([]).find("Python") == []


ALPHABET = st.sampled_from(
    [*"Go RC+#.,/&-'\n@3\u0130\u00e9\u2019\U0001f680", "Python", "C++", ".NET", "Llama 3", "Make"]
)


@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_mentions_are_ordered_and_lie_in_the_text(text: str) -> None:
    last = 0
    for mention in FINDER.find(text):
        assert last <= mention.start < mention.end <= len(text)
        last = mention.end


@given(st.text(max_size=60))
def test_any_unicode(text: str) -> None:
    found = FINDER.find(text + "\nPython")
    assert found[-1].end == len(text) + 7


def test_own_lexicon() -> None:
    tools = [
        Tool("Foo", "TECH6", ("!FOO bar", "~Baz"), "any"),
        Tool("Sun", "TECH4", (), "context", ("astronom*",), ("the sun", "beach")),
    ]
    finder = ToolFinder(tools)
    assert finder.find("foo") == [Mention(0, 3, 0)]
    assert finder.find("FOO bar") == [Mention(0, 7, 0)]
    assert finder.find("Baz") == []
    assert finder.find("Baz, foo") == [Mention(0, 3, 0), Mention(5, 8, 0)]
    assert finder.find("Sun for astronomers") == [Mention(0, 3, 1)]
    assert finder.find("foo in the Sun") == [Mention(0, 3, 0)]
    assert finder.find("foo, Sun and beach") == [Mention(0, 3, 0)]
    assert finder.find("foo, Sun") == [Mention(0, 3, 0), Mention(5, 8, 1)]


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([Tool("Foo", "TECH1", (), "sometimes")], "matched by 'sometimes'"),
        ([Tool("Foo", "TECH1", ("--",), "any")], "no letter or digit"),
        ([Tool("Foo", "TECH1", (), "any"), Tool("Bar", "TECH1", ("foo",), "any")], "keep it with one"),
        ([Tool("Foo", "TECH1", (), "any", (), ("foo",))], "speaks against"),
    ],
)
def test_unsound_lexicon(tools: list[Tool], message: str) -> None:
    with pytest.raises(BookError, match=message):
        ToolFinder(tools)


def test_lexicon_is_sound() -> None:
    codes = {f"TECH{i}" for i in range(1, 12)}
    assert len(TOOLS) >= 900
    assert {t.code for t in TOOLS} == codes | {"OTHER"}
    assert len({t.name.casefold() for t in TOOLS}) == len(TOOLS)
    for tool in TOOLS:
        assert tool.name == tool.name.strip()
        assert all(a == a.strip() and a.strip("!~") for a in tool.aliases)


@pytest.mark.parametrize("tool", [t for t in TOOLS if t.match != "context" and not t.against], ids=lambda t: t.name)
def test_each_tool_is_found_by_its_name(tool: Tool) -> None:
    text = f"Ervaring met {tool.name}, Python"
    found = FINDER.find(text)
    assert TOOLS[found[0].tool].name == tool.name
    assert text[found[0].start : found[0].end] == tool.name


CODES = [
    ("Python", "TECH1"), ("HTML", "TECH1"), ("AWS", "TECH2"), ("Databricks", "TECH2"), ("OpenAI", "TECH2"),
    ("GPT", "TECH3"), ("ChatGPT", "TECH3"), ("Claude Code", "TECH3"), ("LangChain", "TECH4"), ("Hugging Face", "TECH4"),
    ("Pinecone", "TECH5"), ("Elasticsearch", "TECH5"), ("Git", "TECH6"), ("Kafka", "TECH6"), ("Linux", "TECH6"),
    ("Power BI", "TECH7"), ("NumPy", "TECH8"), ("Snowflake", "TECH9"), ("Redis", "TECH9"), ("PyTorch", "TECH10"),
    ("SQL", "TECH11"), ("Spark", "TECH11"), ("Excel", "TECH11"), ("React", "OTHER"), ("Salesforce", "OTHER"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code"), CODES)
def test_codes(name: str, code: str) -> None:
    assert {t.name: t.code for t in TOOLS}[name] == code


def test_long_lists_of_ambiguous_names_stay_quick() -> None:
    assert len(FINDER.find("Make, Go, " * 20_000 + "Python")) == 40_001
    assert FINDER.find("Go" + " " * 100_000 + "Rust") == []
