"""Short labelled ads written for the tests, and `gold_rows`, which turns them into rows of gold data.

An ad is a title and lines. A line is a segment with its codes:

- `- ` in front makes a bullet and `# ` a heading; any other line continues the paragraph, and `""` starts a
  new one. The marks stand outside the segment.
- Codes are parted by spaces; one in parentheses was given by only one of the two coders.

`expected` holds codes that any sensible coder finds, `tools` the tools it names with their TECH codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ML = "ML Engineer"
GENAI = "GenAI Engineer"
OTHER = "Ambiguous / Not Relevant"


@dataclass(frozen=True)
class Ad:
    """An ad with its labels.

    Attributes:
        language: `en`, `nl` or `mix`, as in gold data.
        lines: Segments and their codes, see the module's first lines.
        expected: Codes, parted by spaces, that a coder must find.
        tools: Tool to TECH code, or to `OTHER`.
        cluster: Name shared by near-duplicates; the ad's own id where empty.
        confidence: Of the coders, from 1 (coin-flip) to 3 (clear).
    """

    id: str
    title: str
    profile: str
    language: str
    lines: tuple[tuple[str, str], ...]
    expected: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    cluster: str = ""
    confidence: float = 3.0

    @property
    def text(self) -> str:
        """The whole ad, its title as the first line."""
        return _lay_out(self)[0]


def _lay_out(ad: Ad) -> tuple[str, list[tuple[int, int, str]]]:
    """The text of an ad, and its segments as start, end and codes (code points, end exclusive)."""
    text = ad.title
    segments = [(0, len(text), "")]
    gap = "\n\n"
    for line, codes in ad.lines:
        if not line:
            gap = "\n\n"
            continue
        mark = line[:2] if line.startswith(("- ", "# ")) else ""
        if mark:
            gap = "\n\n" if mark == "# " or gap == "\n\n" else "\n"
        text += gap + mark
        start = len(text)
        text += line[len(mark) :]
        segments.append((start, len(text), codes))
        gap = "\n" if mark else " "
    return text, segments


def gold_row(ad: Ad) -> dict[str, Any]:
    """One ad as a row of gold data."""
    text, segments = _lay_out(ad)
    codes = [
        {"start": start, "end": end, "code": code.strip("()"), "coders": 1 if code.startswith("(") else 2}
        for start, end, given in segments
        for code in given.split()
    ]
    return {
        "id": ad.id,
        "source": "authored",
        "cluster": ad.cluster or ad.id,
        "lang": ad.language,
        "text": text,
        "profile": ad.profile,
        "confidence": ad.confidence,
        "adjudicated": False,
        "coders": 2,
        "segments": [{"start": start, "end": end} for start, end, _ in segments],
        "codes": codes,
        "tech": [{"name": name, "code": code, "coders": 2} for name, code in ad.tools.items()],
        "locked": False,
    }


def gold_rows() -> list[dict[str, Any]]:
    """All ads as rows with the columns of gold data; offsets count code points, end exclusive."""
    return [gold_row(ad) for ad in ADS]


ADS: tuple[Ad, ...] = (
    Ad(
        "genai-rag-en",
        "RAG Engineer",
        GENAI,
        "en",
        (
            ("Fernhill Archive keeps the papers of two hundred museums.", ""),
            ("# Tasks", ""),
            ("- Build retrieval-augmented generation over scanned catalogues and letters", "TASK3 (TASK4)"),
            ("- Tune chunking, embeddings and reranking until the cited sources are right", "TASK3"),
            ("- Develop the question service and its REST API in Python with LangChain", "TASK4"),
            ("- Store vectors in Pinecone and measure the quality of answers by GPT-4o", "TASK3"),
            ("- Explain to curators, in plain words, what the assistant can and cannot do", "SKILL1"),
            ("# Benefits", ""),
            ("- Twenty-eight days off, a museum card and a quiet garden", ""),
        ),
        "TASK3 TASK4 SKILL1",
        {"Python": "TECH1", "LangChain": "TECH4", "Pinecone": "TECH5", "GPT": "TECH3"},
    ),
    Ad(
        "genai-agents-en",
        "Senior Engineer, AI Agents",
        GENAI,
        "en",
        (
            ("Larkfield Travel rebooks stranded passengers.", ""),
            ("You will design and build multi-step LLM agents that search, compare and book.", "TASK3 TASK4"),
            ("You write the tools they call, with strict permissions and a full audit trail.", "TASK4"),
            ("You deploy the agents on Kubernetes and monitor cost, latency and failures.", "TASK5"),
            ("", ""),
            ("You take full ownership of a feature, from the first sketch to production.", "SKILL5"),
            ("You know LangGraph or CrewAI, write TypeScript and Python, and keep calm in incidents.", ""),
            ("You follow new research on language models closely and try out what looks useful.", "SKILL2"),
        ),
        "TASK3 TASK4 TASK5 SKILL2 SKILL5",
        {
            "Kubernetes": "TECH6",
            "LangGraph": "TECH4",
            "CrewAI": "TECH4",
            "TypeScript": "TECH1",
            "Python": "TECH1",
        },
    ),
    Ad(
        "genai-voice-en",
        "Speech Generation Engineer",
        GENAI,
        "en",
        (
            ("Audio books for people who cannot see: that is Millbrook Sound.", ""),
            ("- Train and fine-tune text-to-speech and voice cloning models in PyTorch", "TASK3"),
            ("- Build the recording pipeline that cleans and aligns hours of studio audio", "TASK2"),
            ("- Optimise inference so that a chapter is spoken in seconds", "TASK3 (TASK5)"),
            ("- Make sure no voice is ever cloned without the consent of its owner", "SKILL4"),
            ("- Work closely with narrators and sound designers", "SKILL1"),
            ("We offer a studio of your own on Thursdays and a sensible pension.", ""),
        ),
        "TASK2 TASK3 SKILL1 SKILL4",
        {"PyTorch": "TECH10"},
    ),
    Ad(
        "genai-images-en",
        "Machine Learning Engineer, Generative Media",
        GENAI,
        "en",
        (
            ("Our wallpaper printer, Stonecrop, lets customers describe a pattern and see it on a wall.", ""),
            ("- Adapt diffusion models such as Stable Diffusion with LoRA to our house styles", "TASK3"),
            ("- Write prompt templates and test them against a fixed set of customer wishes", "TASK3"),
            ("- Build the web feature where customers generate and change images", "TASK4"),
            ("- Serve models on GPUs through Docker containers and keep queues short", "TASK5"),
            ("- Think along with the shop about which ideas bring in orders", "TASK1"),
            ("- Use Hugging Face Diffusers daily", ""),
        ),
        "TASK3 TASK4 TASK5",
        {"Stable Diffusion": "TECH3", "Docker": "TECH6", "Hugging Face": "TECH4"},
        confidence=2.5,
    ),
    Ad(
        "genai-finetune-en",
        "LLM Engineer",
        GENAI,
        "en",
        (
            ("Alder Clinics writes forty thousand discharge letters a year.", ""),
            ("- Fine-tune Llama and Mistral models with PEFT on de-identified letters", "TASK3"),
            ("- Set up evaluation with physicians, and reduce hallucinations", "TASK3"),
            ("- Serve the models with vLLM on our own servers and automate releases", "TASK5"),
            ("- Guard the privacy of patients and document decisions for the auditor", "SKILL4"),
            ("- Present results to doctors who have ten minutes", "SKILL1"),
            ("Experience with Hugging Face Transformers and Weights & Biases is welcome.", ""),
        ),
        "TASK3 TASK5 SKILL1 SKILL4",
        {
            "Llama": "TECH3",
            "Mistral": "TECH3",
            "vLLM": "TECH4",
            "Hugging Face": "TECH4",
            "Weights & Biases": "TECH6",
        },
    ),
    Ad(
        "genai-chatbot-nl",
        "Ontwikkelaar chatbots en taalmodellen",
        GENAI,
        "nl",
        (
            ("Gemeente Oeverdam wil dat inwoners dag en nacht antwoord krijgen.", ""),
            ("# Wat ga je doen?", ""),
            ("- Je bouwt een chatbot die met RAG antwoord geeft uit onze regelingen", "TASK3 TASK4"),
            ("- Je schrijft en verbetert prompts en test ze met echte vragen van inwoners", "TASK3"),
            ("- Je ontwikkelt de koppelingen met de website in Python en FastAPI", "TASK4"),
            ("- Je bewaakt dat het taalmodel eerlijk is en geen persoonsgegevens lekt", "SKILL4"),
            ("- Je vertaalt wensen van het klantcontactcentrum naar functionele eisen", "TASK1"),
            ("# Wat bieden wij?", ""),
            ("- Een salaris in schaal 11, veel vrije dagen en een fietsvergoeding", ""),
        ),
        "TASK1 TASK3 TASK4 SKILL4",
        {"Python": "TECH1", "FastAPI": "OTHER"},
    ),
    Ad(
        "genai-agents-nl",
        "AI Engineer",
        GENAI,
        "nl",
        (
            ("Bij Notelaar Accountants maken wij saai werk korter.", ""),
            (
                "Jij ontwerpt AI-agents die facturen lezen, vragen stellen en een boeking voorstellen.",
                "TASK3 TASK4",
            ),
            ("Je vergelijkt GPT, Claude en Gemini op onze eigen testset.", "TASK3"),
            ("Je zet de oplossing in productie op Azure en houdt kosten en fouten in de gaten.", "TASK5"),
            ("", ""),
            ("Je leert graag bij en houdt ontwikkelingen rond generatieve AI goed bij.", "SKILL2"),
            ("Je legt helder aan accountants uit hoe een agent tot zijn voorstel komt.", "SKILL1"),
            ("Je neemt initiatief en werkt zelfstandig.", "SKILL5"),
        ),
        "TASK3 TASK4 TASK5 SKILL1 SKILL2 SKILL5",
        {"GPT": "TECH3", "Claude": "TECH3", "Gemini": "TECH3", "Azure": "TECH2"},
    ),
    Ad(
        "genai-mix",
        "GenAI Developer",
        GENAI,
        "mix",
        (
            ("Zilverspar is een jong bureau voor kennissystemen in Arnhem.", ""),
            ("- Je bouwt RAG pipelines met LlamaIndex en Weaviate voor onze klanten", "TASK3 TASK4"),
            ("- You design prompts and evals together with domain experts", "TASK3 (SKILL1)"),
            ("- Je ontwikkelt full stack features: React voorop, Python erachter", "TASK4"),
            ("- You are a clear communicator, in Dutch and in English", "SKILL1"),
            ("- Je lost problemen pragmatisch op en maakt dingen af", "SKILL3"),
            ("Wij bieden hybride werken, a training budget en goede koffie.", ""),
        ),
        "TASK3 TASK4 SKILL1 SKILL3",
        {
            "LlamaIndex": "TECH4",
            "Weaviate": "TECH5",
            "React": "OTHER",
            "Python": "TECH1",
        },
    ),
    Ad(
        "genai-search-en",
        "Software Engineer, Semantic Search and Assistants",
        GENAI,
        "en",
        (
            ("You are going to build the assistant inside our legal research product.", "TASK4 (TASK3)"),
            ("Answers come from Claude, grounded in passages that your hybrid search finds.", "TASK3"),
            ("You index two million rulings in Elasticsearch and FAISS and keep them fresh.", "TASK2"),
            ("You harden the API against prompt injection and abuse.", "TASK4"),
            ("You break vague complaints down into problems that can be measured and solved.", "SKILL3"),
            ("", ""),
            ("Bramble & Hatch was founded by two librarians and still has no ping-pong table.", ""),
        ),
        "TASK3 TASK4 SKILL3",
        {"Claude": "TECH3", "Elasticsearch": "TECH5", "FAISS": "TECH5"},
    ),
    Ad(
        "genai-more-than-ml",
        "AI/ML Engineer",
        GENAI,
        "en",
        (
            (
                "- Develop LLM features: summaries, drafting and question answering on case files",
                "TASK3 TASK4",
            ),
            ("- Build agents with the OpenAI API and Semantic Kernel", "TASK4 TASK3"),
            ("- Engineer prompts, guardrails and evaluation suites", "TASK3"),
            ("- Fine-tune smaller language models where that saves money", "TASK3"),
            ("- Now and then retrain the churn classifier in scikit-learn", "TASK3"),
            ("- Store embeddings in ChromaDB and conversations in MongoDB", "(TASK2)"),
            ("Ridgeway Advice is an employer where everybody is welcome.", ""),
        ),
        "TASK3 TASK4",
        {
            "OpenAI": "TECH2",
            "Semantic Kernel": "TECH4",
            "scikit-learn": "TECH10",
            "ChromaDB": "TECH5",
            "MongoDB": "TECH9",
        },
        confidence=2.5,
    ),
    Ad(
        "genai-video-nl",
        "Engineer generatieve video",
        GENAI,
        "nl",
        (
            ("Studio Wilgenhof maakt leerfilms voor het basisonderwijs.", ""),
            ("- Je traint en verfijnt diffusiemodellen die korte animaties genereren", "TASK3"),
            ("- Je bouwt de tool waarmee redacteuren zelf video's laten maken", "TASK4"),
            ("- Je maakt een dataset van eigen tekeningen en schoont die op", "TASK2"),
            ("- Je denkt na over auteursrecht en over beelden die kinderen niet horen te zien", "SKILL4"),
            ("- Je werkt nauw samen met tekenaars en leerkrachten", "SKILL1"),
            ("Ervaring met PyTorch en CUDA is een pre.", ""),
        ),
        "TASK2 TASK3 TASK4 SKILL1 SKILL4",
        {"PyTorch": "TECH10", "CUDA": "OTHER"},
    ),
    Ad(
        "genai-platform-en",
        "LLMOps Engineer",
        GENAI,
        "en",
        (
            ("Kestrel Post runs nine language-model features, and you keep them running.", "TASK5"),
            ("- Operate our LLM gateway on AWS Bedrock with quotas, caching and fallbacks", "TASK5"),
            ("- Trace every prompt and completion in Langfuse, and alert on drops in quality", "TASK5"),
            ("- Automate evals in CI, so that no prompt ships untested", "TASK5 TASK3"),
            ("- Manage the infrastructure with Terraform and Helm", "TASK5"),
            ("- Lead the move to our own hosted models", "SKILL5"),
            ("The team eats together on Tuesdays.", ""),
        ),
        "TASK5 SKILL5",
        {
            "AWS Bedrock": "TECH2",
            "Langfuse": "TECH6",
            "Terraform": "TECH6",
            "Helm": "TECH6",
        },
    ),
    Ad(
        "ml-churn-en",
        "Data Scientist",
        ML,
        "en",
        (
            ("Oxbow Energy supplies heat to ninety thousand homes.", ""),
            ("# You will", ""),
            ("- Build and validate models that predict churn and late payment", "TASK3"),
            ("- Prepare training data and features from meter readings with pandas and SQL", "TASK2"),
            ("- Translate questions from the service desk into data science problems", "TASK1"),
            ("- Visualise results in Tableau and present them to the board", "TASK2 SKILL1"),
            ("# What you bring", ""),
            ("- A degree in econometrics, statistics or something close to it", ""),
            ("- Models written in Python with scikit-learn or XGBoost", ""),
            ("- An analytical mind, and an eye for what does not add up", "SKILL3"),
        ),
        "TASK1 TASK2 TASK3 SKILL1 SKILL3",
        {
            "pandas": "TECH11",
            "SQL": "TECH11",
            "Tableau": "TECH7",
            "Python": "TECH1",
            "scikit-learn": "TECH10",
            "XGBoost": "TECH10",
        },
    ),
    Ad(
        "ml-vision-en",
        "Computer Vision Engineer",
        ML,
        "en",
        (
            ("Apples have bruises, and Orchard Optics finds them at twenty frames a second.", ""),
            ("- Train convolutional networks for defect detection and segmentation", "TASK3"),
            ("- Improve accuracy with augmentation, active learning and better labels", "TASK3 (TASK2)"),
            ("- Port models to embedded hardware in C++ with TensorRT and OpenCV", "TASK4 (TASK5)"),
            ("- Test on the sorting line with growers and fix what you see there", "TASK4 SKILL1"),
            ("- Stay current with papers on recognising fruit and vegetables", "SKILL2"),
            ("Boots are provided.", ""),
        ),
        "TASK3 TASK4 SKILL2",
        {"C++": "TECH1", "TensorRT": "TECH10", "OpenCV": "TECH10"},
    ),
    Ad(
        "ml-recommender-en",
        "Machine Learning Engineer, Recommendations",
        ML,
        "en",
        (
            (
                "You own the recommender that helps readers of Thistle Library find their next book.",
                "SKILL5 TASK3",
            ),
            ("You research ranking models, run A/B tests and read the outcome soberly.", "TASK3"),
            ("You write Spark jobs that turn loans and ratings into features.", "TASK2"),
            ("You take models to production with TensorFlow Serving behind a Go service.", "TASK5 TASK4"),
            ("You share what you learn with colleagues in a short talk each month.", "SKILL1"),
            ("", ""),
            ("Readers stay anonymous, and you keep it that way: no profile without permission.", "SKILL4"),
        ),
        "TASK2 TASK3 TASK5 SKILL1 SKILL4",
        {"Apache Spark": "TECH11", "TensorFlow": "TECH10", "Go": "TECH1"},
    ),
    Ad(
        "ml-fraud-nl",
        "Machine Learning Engineer fraudedetectie",
        ML,
        "nl",
        (
            ("Betaaldienst Muntplein verwerkt een miljoen betalingen per dag.", ""),
            ("# Jouw taken", ""),
            ("- Je ontwikkelt modellen die fraude en afwijkende betalingen herkennen", "TASK3"),
            ("- Je traint, valideert en vergelijkt algoritmes op scheve datasets", "TASK3"),
            ("- Je bouwt datapijplijnen in Airflow en maakt nieuwe features", "TASK2"),
            ("- Je brengt modellen met Docker naar productie en monitort hun prestaties", "TASK5"),
            ("- Je zorgt dat beslissingen uitlegbaar zijn en voldoen aan de AVG", "SKILL4"),
            ("# Wij vragen", ""),
            ("- Ervaring met Python, PyTorch en PostgreSQL", ""),
        ),
        "TASK2 TASK3 TASK5 SKILL4",
        {
            "Airflow": "TECH6",
            "Docker": "TECH6",
            "Python": "TECH1",
            "PyTorch": "TECH10",
            "PostgreSQL": "TECH9",
        },
    ),
    Ad(
        "ml-planning-nl",
        "Data Scientist personeelsplanning",
        ML,
        "nl",
        (
            ("Zorggroep Eikenlaan wil weten hoeveel handen er volgende week nodig zijn.", ""),
            ("Je bouwt tijdreeksmodellen die de zorgvraag per locatie voorspellen.", "TASK3"),
            ("Je verzamelt en schoont roosters en dossiers op, en analyseert ze in R en Python.", "TASK2"),
            ("Je onderzoekt met teamleiders waar een voorspelling helpt bij hun planning.", "TASK1"),
            ("Je maakt dashboards in Power BI.", "TASK2"),
            ("", ""),
            ("Je denkt kritisch en zoekt een praktische oplossing als de data tegenvalt.", "SKILL3"),
            ("Je bent communicatief sterk en presenteert met gemak.", "SKILL1"),
            ("Wij betalen volgens de cao en geven je een laptop.", ""),
        ),
        "TASK1 TASK2 TASK3 SKILL1 SKILL3",
        {"R": "TECH1", "Python": "TECH1", "Power BI": "TECH7"},
    ),
    Ad(
        "ml-mlops-en",
        "MLOps Engineer",
        ML,
        "en",
        (
            ("- Automate training, testing and deployment of our price prediction models", "TASK5"),
            ("- Maintain the feature store and the model registry in MLflow", "TASK5 (TASK2)"),
            ("- Monitor models in production and detect drift early", "TASK5"),
            ("- Work side by side with data scientists and turn prototypes into services", "TASK4 SKILL1"),
            ("- Run Kubeflow on Google Cloud, and describe everything in Terraform", "TASK5"),
            ("# About Hazelmere Auctions", ""),
            ("We sell tractors by the thousand and have done so since our grandparents' days.", ""),
        ),
        "TASK5 TASK4 SKILL1",
        {
            "MLflow": "TECH6",
            "Kubeflow": "TECH6",
            "GCP": "TECH2",
            "Terraform": "TECH6",
        },
    ),
    Ad(
        "ml-nlp-en",
        "NLP Engineer",
        ML,
        "en",
        (
            ("- Train text classifiers and entity recognisers on complaints in four languages", "TASK3"),
            ("- Compare spaCy pipelines with a fine-tuned BERT and report precision and recall", "TASK3"),
            ("- Organise the annotation of training data and check how well annotators agree", "TASK2"),
            ("- Package classifiers as a service with Flask", "TASK4 (TASK5)"),
            ("- Find out with case workers which complaints must be seen first", "TASK1"),
            ("You are patient, curious and honest about uncertainty.", "(SKILL2)"),
            ("Marlstone Ombudsman pays fairly and never calls you at weekends.", ""),
        ),
        "TASK1 TASK2 TASK3 TASK4",
        {"spaCy": "TECH10", "BERT": "TECH3", "Flask": "OTHER"},
        confidence=2.5,
    ),
    Ad(
        "ml-more-than-genai",
        "Senior Data Scientist",
        ML,
        "en",
        (
            ("- Forecast passenger numbers per line and hour with gradient boosting", "TASK3"),
            ("- Detect anomalies in ticket validations", "TASK3"),
            ("- Build uplift models for season-ticket campaigns", "TASK3"),
            ("- Design experiments and evaluate them statistically", "TASK3"),
            ("- Maintain features and data quality checks in Databricks", "TASK2"),
            ("- Advise a colleague who is trying out a chatbot for lost property", "SKILL1"),
            ("- Mentor two junior data scientists", "SKILL1"),
            ("Pennant Trams runs on wind power.", ""),
        ),
        "TASK2 TASK3 SKILL1",
        {"Databricks": "TECH2"},
        confidence=2.5,
    ),
    Ad(
        "ml-signal-en",
        "Research Engineer, Predictive Models",
        ML,
        "en",
        (
            ("Your subject is the beehive: a microphone, a scale, a thermometer and much noise.", ""),
            ("You develop deep learning models that predict swarming from sound.", "TASK3"),
            ("You process signals in NumPy and SciPy and plot them in Matplotlib and Plotly.", "TASK2"),
            ("You publish results and present them at two conferences a year.", "SKILL1"),
            ("You handle open questions creatively yet rigorously.", "SKILL3"),
            ("You adapt quickly when the season, or the funding, changes.", "SKILL2"),
            ("Sedge Institute is a small foundation with large windows.", ""),
        ),
        "TASK2 TASK3 SKILL1 SKILL2 SKILL3",
        {"NumPy": "TECH8", "SciPy": "TECH8", "Matplotlib": "TECH7", "Plotly": "TECH7"},
    ),
    Ad(
        "ml-mix",
        "Machine Learning Engineer",
        ML,
        "mix",
        (
            ("Tuindersbond Kasgroen oogst tomaten met cijfers.", ""),
            ("- Je traint modellen die de oogst per kas voorspellen", "TASK3"),
            ("- You productionise models of our data scientists with Docker and GitLab CI", "TASK5"),
            ("- Je bouwt pipelines voor sensordata in Kafka en PySpark", "TASK2"),
            ("- You take responsibility for the whole lifecycle of a model", "SKILL5 (TASK5)"),
            ("- Je werkt samen met telers, who know more than any model", "SKILL1"),
            ("Salaris in overleg, and vegetables for free.", ""),
        ),
        "TASK2 TASK3 TASK5 SKILL1 SKILL5",
        {"Docker": "TECH6", "GitLab CI": "TECH6", "Kafka": "TECH6", "PySpark": "TECH11"},
    ),
    Ad(
        "other-java-ai-company-en",
        "Backend Developer",
        OTHER,
        "en",
        (
            ("Gantry Intelligence is an AI-first company that reinvents parking with generative AI.", ""),
            ("Our language models talk to a million drivers, and our vision models read their plates.", ""),
            ("# Your tasks", ""),
            ("- Develop payment and invoice services in Java and Spring Boot", "TASK4"),
            ("- Write unit tests and review the code of your colleagues", "TASK4 (SKILL1)"),
            ("- Improve slow queries in MySQL", "TASK4 (TASK2)"),
            ("- Join the standby rota and solve incidents in production", "TASK5"),
            ("# Our offer", ""),
            ("- A parking space, of course", ""),
        ),
        "TASK4 TASK5",
        {"Java": "TECH1", "Spring Boot": "OTHER", "MySQL": "TECH9"},
    ),
    Ad(
        "other-company-talk-nl",
        "Softwareontwikkelaar .NET",
        OTHER,
        "nl",
        (
            ("Slimsluis gelooft in de kracht van kunstmatige intelligentie.", ""),
            ("Onze AI-assistent helpt honderden sluiswachters en won vorig jaar een prijs.", ""),
            ("Voor het team Administratie zoeken wij een ontwikkelaar.", ""),
            ("# Dit ga je doen", ""),
            ("- Je ontwikkelt schermen voor uren en facturen in C# en .NET", "TASK4"),
            ("- Je ontwerpt API's en schrijft geautomatiseerde tests", "TASK4"),
            ("- Je bespreekt wensen met gebruikers en werkt ze uit in user stories", "TASK1 (SKILL1)"),
            ("- Je beheert de builds in Azure DevOps", "TASK5"),
            ("# Dit krijg je", ""),
            ("- Een vast contract en elke vrijdag taart", ""),
        ),
        "TASK1 TASK4 TASK5",
        {"C#": "TECH1", ".NET": "OTHER", "Azure DevOps": "TECH6"},
    ),
    Ad(
        "other-uses-ai-en",
        "Full-Stack Engineer",
        OTHER,
        "en",
        (
            ("- Build features for our booking site in React and Node.js", "TASK4"),
            ("- Use ChatGPT, Cursor and GitHub Copilot every day to write code faster", ""),
            ("- Fix bugs, refactor old components and keep the test suite green", "TASK4"),
            ("- Speak with hosts to learn what annoys them about the calendar", "TASK1 (SKILL1)"),
            ("- Pick up new tools quickly", "SKILL2"),
            ("At Dovecote Stays everybody works with AI assistants, from finance to the founders.", ""),
        ),
        "TASK4 SKILL2",
        {
            "React": "OTHER",
            "Node.js": "OTHER",
            "ChatGPT": "TECH3",
            "Cursor": "TECH3",
            "GitHub Copilot": "TECH3",
        },
    ),
    Ad(
        "other-uses-ai-nl",
        "Contentmarketeer",
        OTHER,
        "nl",
        (
            ("Wie verzint een campagne waar heel Zeeland om lacht?", ""),
            ("- Je schrijft artikelen en nieuwsbrieven, met ChatGPT als hulpje", "(SKILL1)"),
            ("- Je maakt beelden met Midjourney en zet ze op onze sociale kanalen", ""),
            ("- Je bedenkt hoe AI-tools ons marketingteam sneller maken", "(TASK1) (SKILL5)"),
            ("- Je overlegt met verkopers en drukkers", "SKILL1"),
            ("Oesterbaai Vakanties biedt een halve vrijdag en een hele zomer.", ""),
        ),
        "SKILL1",
        {"ChatGPT": "TECH3", "Midjourney": "TECH3"},
    ),
    Ad(
        "other-rater-en",
        "AI Trainer, Mathematics (freelance)",
        OTHER,
        "en",
        (
            ("Get paid to find the mistakes of a language model.", ""),
            ("- Compare two answers to a sum and rate which explanation is clearer", ""),
            ("- Write difficult problems with worked solutions that train the model", ""),
            ("- Give feedback on tone, truth and safety by our guidelines", ""),
            ("You hold a degree in mathematics, and programming is not needed.", ""),
            ("You write flawless English and work precisely.", "SKILL1 (SKILL3)"),
            ("Tumbler Learning pays by the hour, every week, wherever you live.", ""),
        ),
        "",
    ),
    Ad(
        "other-rater-nl",
        "Data-annotator Nederlands",
        OTHER,
        "nl",
        (
            ("Voor een spraakassistent zoeken wij mensen met een goed oor.", ""),
            ("- Je luistert opnames terug en verbetert de uitgeschreven tekst", ""),
            ("- Je beoordeelt antwoorden van een chatbot op juistheid en beleefdheid", ""),
            ("- Je labelt gesprekken volgens een handleiding", ""),
            ("Ervaring met techniek is niet nodig, geduld wel.", ""),
            ("Klankbord werkt met losse opdrachten; je kiest zelf je uren.", ""),
        ),
        "",
    ),
    Ad(
        "other-sales-en",
        "Sales Manager, AI Platform",
        OTHER,
        "en",
        (
            ("Fenwick Automata sells large language model software to law firms.", ""),
            ("- Win new customers and negotiate contracts", ""),
            ("- Demonstrate our AI platform to partners and their IT staff", "SKILL1"),
            ("- Understand how a firm works and show where our product pays off", "TASK1"),
            ("- Lead a team of four account managers", "SKILL5"),
            ("- Keep Salesforce tidy", ""),
            ("Commission is paid without a cap.", ""),
        ),
        "TASK1 SKILL1 SKILL5",
        {"Salesforce": "OTHER"},
    ),
    Ad(
        "other-education-en",
        "Lecturer in Machine Learning",
        OTHER,
        "en",
        (
            ("Greenmoor College trains people who want to change careers.", ""),
            ("- Teach evening courses on neural networks and prompt engineering", "SKILL1"),
            ("- Develop exercises in Jupyter and Python, and mark them", ""),
            ("- Coach students with their final projects", "SKILL1"),
            ("- Keep the curriculum in step with the field", "SKILL2"),
            ("You enjoy explaining things three times in three ways.", "SKILL1"),
            ("Lecturers have twelve weeks without classes.", ""),
        ),
        "SKILL1",
        {"Jupyter": "TECH6", "Python": "TECH1"},
        confidence=2.5,
    ),
    Ad(
        "other-bare-title-en",
        "Machine Learning Engineer",
        OTHER,
        "en",
        (
            ("Permanent position near Bristol, starting in the autumn.", ""),
            ("Our client is a well-known name in its trade and prefers to stay anonymous for now.", ""),
            ("The package is excellent, the people are friendly and the station is around the corner.", ""),
            ("Interested, or do you know somebody who might be?", ""),
            ("Press the button and we will get back to you within three working days.", ""),
        ),
        "",
        confidence=2.0,
    ),
    Ad(
        "other-bare-title-nl",
        "GenAI Engineer",
        OTHER,
        "nl",
        (
            ("Voor een opdrachtgever in de buurt van Breukelen zijn wij per direct op zoek.", ""),
            ("De opdracht duurt een half jaar en kan twee keer worden verlengd.", ""),
            ("Het tarief is bespreekbaar, de reistijd ook.", ""),
            ("Het gaat om 36 uur per week, waarvan één dag op kantoor en de rest vanuit huis.", ""),
            ("Stuur je profiel in het Nederlands voor dinsdag twaalf uur naar ons toe.", ""),
        ),
        "",
        confidence=2.0,
    ),
    Ad(
        "other-team-talk-en",
        "Platform Engineer, AI Research Group",
        OTHER,
        "en",
        (
            ("The AI Research Group trains language models and publishes them for everyone.", ""),
            ("We fine-tune, we evaluate, we argue about benchmarks.", ""),
            ("As its platform engineer you look after the ordinary machines around it.", "TASK5"),
            ("- Patch Linux servers and automate installations with Ansible", "TASK5"),
            ("- Manage accounts, networks and backups", "TASK5"),
            ("- Write small scripts in Bash and Python", "TASK4"),
            ("- Answer questions of researchers in a friendly way", "SKILL1"),
            ("Wickham University has its own orchard.", ""),
        ),
        "TASK5 SKILL1",
        {"Linux": "TECH6", "Ansible": "TECH6", "Bash": "TECH1", "Python": "TECH1"},
        confidence=2.0,
    ),
    Ad(
        "other-data-engineer-nl",
        "Data Engineer",
        OTHER,
        "nl",
        (
            ("Naast ons AI-team, dat modellen maakt voor kustbewaking, komt een dataplatform.", ""),
            ("- Je bouwt en onderhoudt datapijplijnen in Azure Data Factory", "TASK2"),
            ("- Je modelleert tabellen in Snowflake en bewaakt de datakwaliteit", "TASK2"),
            ("- Je automatiseert tests en uitrol met GitHub Actions", "TASK5"),
            ("- Je stemt met afnemers af welke bronnen eerst komen", "TASK1 SKILL1"),
            ("- Je documenteert wat je maakt", "(TASK4)"),
            ("Duinwacht is een stichting; je krijgt 32 vrije dagen en een verrekijker.", ""),
        ),
        "TASK2 TASK5",
        {"Azure Data Factory": "TECH6", "Snowflake": "TECH9", "GitHub Actions": "TECH6"},
    ),
    Ad(
        "other-nice-to-have-en",
        "DevOps Engineer",
        OTHER,
        "en",
        (
            ("- Run our Kubernetes clusters on AWS and keep upgrades boring", "TASK5"),
            ("- Build CI/CD pipelines in Jenkins and GitLab", "TASK5"),
            ("- Improve monitoring with Grafana and Prometheus", "TASK5"),
            ("- Handle incidents calmly, find the root cause and prevent the next one", "TASK5 SKILL3"),
            ("# Nice to have", ""),
            ("- Some exposure to machine learning or LLMs", ""),
            ("- A certificate of your cloud of choice", ""),
            ("Copperbeech Logistics has its own bakery.", ""),
        ),
        "TASK5",
        {
            "Kubernetes": "TECH6",
            "AWS": "TECH2",
            "Jenkins": "TECH6",
            "GitLab": "TECH6",
            "Grafana": "TECH6",
            "Prometheus": "TECH6",
        },
    ),
    Ad(
        "other-analyst-en",
        "Business Intelligence Analyst",
        OTHER,
        "en",
        (
            ("- Analyse sales figures with SQL and Excel, and explain what moved them", "TASK2"),
            ("- Create dashboards in Power BI and Looker for the shop managers", "TASK2"),
            ("- Gather reporting requirements from five departments", "TASK1"),
            ("- Check figures for errors before others find them", "TASK2 SKILL3"),
            ("- Present the quarter to people who dislike tables", "SKILL1"),
            ("Sorrel & Daughters has sold shoes since 1931 and is proud of its AI strategy.", ""),
        ),
        "TASK1 TASK2 SKILL1",
        {"SQL": "TECH11", "Excel": "TECH11", "Power BI": "TECH7", "Looker": "TECH7"},
    ),
    Ad(
        "other-product-owner-nl",
        "Product Owner AI",
        OTHER,
        "nl",
        (
            ("Uitgeverij De Lisdodde zet generatieve AI in voor schoolboeken.", ""),
            ("- Je haalt wensen op bij docenten en redacties en bepaalt de prioriteiten", "TASK1"),
            ("- Je bewaakt de planning en het budget", "(TASK1)"),
            ("- Je vertaalt de strategie naar een routekaart voor het product", "TASK1"),
            ("- Je toetst ideeën aan de wet en aan onze afspraken over verantwoorde AI", "SKILL4"),
            ("- Je krijgt mensen mee en durft knopen door te hakken", "SKILL5 (SKILL1)"),
            ("Zelf programmeren hoeft niet.", ""),
        ),
        "TASK1 SKILL4",
        confidence=2.5,
    ),
    Ad(
        "other-design-en",
        "UX Designer",
        OTHER,
        "en",
        (
            ("- Design screens for an app that helps beekeepers, generative tips included", "(TASK4)"),
            ("- Interview users and turn what they say into journeys and sketches", "TASK1"),
            ("- Prototype in Figma and test with people who wear gloves", ""),
            ("- Work with developers until it looks as it should", "SKILL1"),
            ("- Bring ideas nobody asked for", "SKILL5"),
            ("Heatherfield Apps is three people, one dog and a shed.", ""),
        ),
        "TASK1 SKILL1",
        {"Figma": "OTHER"},
    ),
    Ad(
        "other-one-project-en",
        "Software Consultant",
        OTHER,
        "en",
        (
            ("No two months are alike: you move between clients of Brindle & Moss.", ""),
            ("- Build web shops, links between systems and now and then a chatbot", "TASK4"),
            ("- Advise clients on the renewal of old software", "TASK1"),
            ("- Program in PHP, JavaScript or whatever the client has", "TASK4"),
            ("- Host workshops and write clear reports", "SKILL1"),
            ("- Switch easily between subjects", "SKILL2"),
            ("You get a car, a phone and a very patient planner.", ""),
        ),
        "TASK1 TASK4 SKILL1 SKILL2",
        {"PHP": "TECH1", "JavaScript": "TECH1"},
        confidence=2.0,
    ),
    Ad(
        "other-security-nl",
        "Netwerkbeheerder",
        OTHER,
        "nl",
        (
            ("Het ziekenhuis aan de Vaartkade heeft negenhonderd schermen en één serverruimte.", ""),
            ("- Je beheert firewalls, switches en draadloze netwerken", "TASK5"),
            ("- Je lost storingen op en voorkomt dat ze terugkomen", "TASK5 (SKILL3)"),
            ("- Je voert updates uit op Linux en Windows", "TASK5"),
            ("- Je helpt collega's van de afdelingen met een glimlach", "SKILL1"),
            ("- Je volgt nieuwe dreigingen op de voet en leert graag bij", "SKILL2"),
            ("Wij betalen volgens de cao ziekenhuizen.", ""),
        ),
        "TASK5 SKILL1 SKILL2",
        {"Linux": "TECH6", "Windows": "TECH6"},
    ),
    Ad(
        "ml-churn-en-repost",
        "Data Scientist (m/f)",
        ML,
        "en",
        (
            ("Oxbow Energy supplies heat to ninety thousand homes.", ""),
            ("# You will", ""),
            ("- Build and validate models that predict churn and late payment", "TASK3"),
            ("- Prepare training data and features from meter readings with pandas and SQL", "TASK2"),
            ("- Translate questions from the service desk into data science problems", "TASK1"),
            ("- Visualise results in Tableau and present them to the board", "TASK2 SKILL1"),
            ("# What you bring", ""),
            ("- A degree in econometrics, statistics or something close to it", ""),
            ("- Models written in Python with scikit-learn or XGBoost", ""),
            ("- An analytical mind, and an eye for what does not add up", "SKILL3"),
            ("The closing date has been moved to the end of May.", ""),
        ),
        "TASK1 TASK2 TASK3 SKILL1 SKILL3",
        {
            "pandas": "TECH11",
            "SQL": "TECH11",
            "Tableau": "TECH7",
            "Python": "TECH1",
            "scikit-learn": "TECH10",
            "XGBoost": "TECH10",
        },
        cluster="ml-churn-en",
    ),
)
